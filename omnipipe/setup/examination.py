"""All checks of a stack: made at once, told in their order; and where there is nobody to ask, why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from omnipipe.setup import machine
from omnipipe.setup.checks import Check, Finding, found

Answer = TypeVar("Answer")

_SILENT_S = 2  # whoever waits longer is told for what
_THREADS = 16
_NO_DEPLOYMENT = "Google was not asked, nor what a deployment takes of this machine"


@dataclass(frozen=True)
class NotAsked:
    """What was left out, and why, in a sentence."""

    sentence: str


class Examination:
    """The checks of a stack of the program in ``root``.

    ``waits`` is told every two seconds what is being waited for, and for how many seconds.
    """

    def __init__(self, root: Path, stack: str, *, waits: Callable[[str, int], None]) -> None:
        self._root, self._stack, self._waits = root, stack, waits

    def findings(self) -> Iterator[Finding | NotAsked]:
        """What came of each check, as soon as it and those before it are made."""
        with ThreadPoolExecutor(_THREADS) as self._threads:
            yield from self._made(machine.checks())
            # These take a second or two, because they use the program's own modules; the machine is looked at without.
            loading = [
                self._threads.submit(import_module, f"omnipipe.setup.{name}") for name in ("google", "stack")
            ]
            for each in loading:
                self._awaited(each, "the program's modules")
            from omnipipe.google import api
            from omnipipe.setup import deployment, google
            from omnipipe.setup import stack as settings

            credentials = self._threads.submit(api.credentials)  # to know that there are none takes seconds, too
            yield from self._made(settings.checks(self._root, self._stack))
            foundation = settings.foundation(self._root, self._stack)
            if foundation is None:
                yield NotAsked(f"{_NO_DEPLOYMENT}: the settings do not say where the stack is.")
                return
            given = self._awaited(credentials, "credentials")
            if given is None:
                yield NotAsked(f"{_NO_DEPLOYMENT}: there are no credentials. To deploy: {api.LOGIN}")
                return
            asked = google.Google(given, foundation)
            login = self._threads.submit(found, asked.login)
            addresses = settings.no_examples(self._root, self._stack)
            yield from self._made([addresses, *deployment.checks(self._root, foundation.region)])
            taken = self._awaited(login, asked.login.name)
            yield taken
            yield from self._made(asked.checks()) if taken.ok else [NotAsked("Google was not asked more.")]

    def _made(self, checks: Sequence[Check]) -> Iterator[Finding]:
        begun = [(check.name, self._threads.submit(found, check)) for check in checks]
        for name, future in begun:
            yield self._awaited(future, name)

    def _awaited(self, future: Future[Answer], name: str) -> Answer:
        waited = 0
        while not wait([future], _SILENT_S).done:
            waited += _SILENT_S
            self._waits(name, waited)
        return future.result()
