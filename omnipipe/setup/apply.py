"""The steps, done: look, make what is missing, and say which it was."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from time import sleep

from omnipipe.setup.steps import Command, Step
from omnipipe.setup.tools import ToolFailed, run

_LOOKS_S, _MAKES_S = 60, 300
# What Google says of an account or an API that it has made and does not know everywhere yet: most is known within two
# minutes (https://cloud.google.com/iam/docs/access-change-propagation).
_NOT_YET = ("does not exist", "has not been used in project")
_TRIES, _WAIT_S = 24, 10


class CannotApply(Exception):
    """A command failed; the text says for what, which one, and its words."""


@dataclass(frozen=True)
class Applied:
    """A step that is done; ``made`` is whether it was missing."""

    step: Step
    made: bool


class Applier:
    """Runs the commands in a folder, with more variables; ``waits`` is told each time that Google needs more time."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, waits: Callable[[str], None] = lambda _: None
    ) -> None:
        self._folder, self._environment, self._waits = folder, {**os.environ, **environment}, waits

    def apply(self, steps: Sequence[Step], lookups: Mapping[str, Command]) -> Iterator[Applied]:
        """Do one step after the other, each when it is asked for. Raises CannotApply: what came before is done."""
        values = {name: self._asked(f"the value of {name}", command) for name, command in lookups.items()}
        for step in steps:
            there = self._is_there(step, values)
            if not there:
                self._make(step, _filled(step.make, values))
            yield Applied(step, made=not there)

    def _asked(self, what: str, command: Command) -> str:
        try:
            return self._run(command, _LOOKS_S).strip()
        except ToolFailed as error:
            raise CannotApply(f"{what}: `{shlex.join(command)}` says: {error}") from error

    def _is_there(self, step: Step, values: Mapping[str, str]) -> bool:
        """Whether it is there. A look that fails says no: why, the command says that makes it."""
        try:
            printed = self._run(_filled(step.look, values), _LOOKS_S).splitlines()
        except ToolFailed:
            return False
        return set(_filled(step.shows, values)) <= set(printed)

    def _make(self, step: Step, command: Command) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._run(command, _MAKES_S)
                return
            except ToolFailed as error:
                if not left or not any(words in str(error) for words in _NOT_YET):
                    raise CannotApply(f"{step.what}: `{shlex.join(command)}` says: {error}") from error
            self._waits(step.what)
            sleep(_WAIT_S)

    def _run(self, command: Command, timeout: float) -> str:
        return run(command, timeout=timeout, folder=self._folder, environment=self._environment)


def _filled(texts: Sequence[str], values: Mapping[str, str]) -> Command:
    return tuple(Template(text).substitute(values) for text in texts)
