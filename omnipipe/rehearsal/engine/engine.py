"""The Pulumi engine, asked for one thing after the other, and what it did as data."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pulumi import automation
from pulumi.automation.errors import CommandError
from pulumi.automation.events import EngineEvent, OpType

# Most of the provider's time is waiting: 10 s after each new identity, 3 to 9 s after a binding.
_AT_ONCE = 64
# What the engine does when there is nothing to do, or only looks.
_NO_CHANGE = {OpType.SAME, OpType.READ, OpType.REFRESH}
# What the provider logs it tells as an error as well, and the engine counts both.
_REPEATS = re.compile(r"sdk-v2/\w+\.go:\d+: |^update failed$|^resource \S+ update failed|^(update|preview) failed")
# Lists of errors have errors that are lists.
_LIST = re.compile(r"^((\w+ urn:\S+:\s+)?\d+ errors? occurred:\s+\* )+")
_REPLACING = {OpType.REPLACE, OpType.CREATE_REPLACEMENT, OpType.DELETE_REPLACED}


@dataclass(frozen=True)
class Change:
    """What is done, or would be done, to a resource: ``create``, ``update``, ``replace``, ``delete``.

    ``properties`` are those that differ.
    """

    what: str
    urn: str
    type: str
    properties: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return self.urn.rpartition("::")[2]


@dataclass(frozen=True)
class Failure:
    """What the engine, the provider or the program could not do, in their words; ``urn`` is "" for the program."""

    urn: str
    message: str


@dataclass(frozen=True)
class Registered:
    """What the program says of a resource that is to be made; ``parent`` and ``provider`` are URNs, or ""."""

    type: str
    parent: str
    provider: str


@dataclass
class Outcome:
    """What came of one question. ``registered`` is by URN."""

    seconds: float = 0.0
    unchanged: int = 0
    changes: list[Change] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    policies: list[Failure] = field(default_factory=list)
    registered: dict[str, Registered] = field(default_factory=dict)
    ended: bool = True

    @property
    def counts(self) -> dict[str, int]:
        """How many resources each is done to."""
        counted = Counter(change.what for change in self.changes)
        return {**counted, **({"unchanged": self.unchanged} if self.unchanged else {})}


class Engine:
    """A stack of a program in a folder. ``environment`` are the variables that the engine runs with."""

    def __init__(self, checkout: Path, stack: str, home: Path, environment: Mapping[str, str]) -> None:
        options = automation.LocalWorkspaceOptions(
            pulumi_home=str(home), env_vars=dict(environment), secrets_provider="passphrase"
        )
        self._stack = automation.create_or_select_stack(stack, work_dir=str(checkout), opts=options)

    def preview(self, *, refresh: bool = False, policies: str | None = None) -> Outcome:
        """What an update would do; with ``refresh`` Google is asked first, for what differs from the state."""
        packs = [policies] if policies else None
        return _watched(self._stack.preview, refresh=refresh, policy_packs=packs)

    def up(self) -> Outcome:
        """Make it so."""
        return _watched(self._stack.up)

    def preview_destroy(self) -> Outcome:
        """What `pulumi destroy` says before it asks whether to go on."""
        return _watched(self._stack.preview_destroy)

    def destroy(self, *, exclude_protected: bool = False) -> Outcome:
        """Delete all, or all that is not protected."""
        return _watched(self._stack.destroy, exclude_protected=exclude_protected)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Set values of the stack's configuration; a key has its namespace: ``gcp:project``."""
        for key, value in settings.items():
            self._stack.set_config(key, automation.ConfigValue(value))

    def state(self) -> list[dict[str, Any]]:
        """The resources that the engine knows of, as its checkpoint has them."""
        return (self._stack.export_stack().deployment or {}).get("resources") or []

    def command(self, *arguments: str) -> None:
        """Run another of Pulumi's commands on the stack. Raises CommandError if it fails."""
        self._stack._run_pulumi_cmd_sync([*arguments])


def _watched(ask: Callable[..., Any], **options: Any) -> Outcome:
    """Run an operation, and read its events."""
    outcome, began = Outcome(), time.monotonic()
    try:
        ask(on_event=lambda event: _read(event, outcome), color="never", parallel=_AT_ONCE, **options)
    except CommandError as error:
        outcome.ended = False
        if not outcome.failures:
            outcome.failures.append(Failure("", str(error).strip()))
    outcome.seconds = time.monotonic() - began
    return outcome


def _read(event: EngineEvent, outcome: Outcome) -> None:
    """Note what an event tells."""
    if (before := event.resource_pre_event) is not None:
        step = before.metadata
        if step.new is not None:
            outcome.registered[step.urn] = Registered(step.type, step.new.parent, step.new.provider)
        if step.op == OpType.SAME:
            outcome.unchanged += 1
        elif step.op not in _NO_CHANGE:
            what = "replace" if step.op in _REPLACING else str(step.op.value)
            differing = tuple(step.detailed_diff or step.diffs or step.keys or ())
            change = Change(what, step.urn, step.type, differing)
            if not any(known.urn == change.urn and known.what == what for known in outcome.changes):
                outcome.changes.append(change)
    elif (told := event.diagnostic_event) is not None:
        if told.severity == "error" and not told.ephemeral and not _REPEATS.search(told.message):
            outcome.failures.append(Failure(told.urn or "", _LIST.sub("", told.message.strip()).strip()))
    elif (broken := event.policy_event) is not None:
        outcome.policies.append(Failure(broken.resource_urn or "", f"{broken.policy_name}: {broken.message}"))
