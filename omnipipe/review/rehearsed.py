"""A change, rehearsed: what is at the base is deployed to a control plane on this machine, then the change on top."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.engine import problems
from omnipipe.rehearsal.engine.declaration import Declaration
from omnipipe.rehearsal.engine.engine import Engine, Outcome
from omnipipe.rehearsal.engine.installed import Installed
from omnipipe.rehearsal.engine.problems import Problem
from omnipipe.rehearsal.engine.rehearsal import project_of
from omnipipe.rehearsal.engine.workspace import Workspace
from omnipipe.rehearsal.journal import Journal
from omnipipe.rehearsal.world import World
from omnipipe.review.preview import STREAMED, Preview, Said, read


@dataclass
class Rehearsed:
    """What came of it.

    ``preview`` is that of the change, None if what is at the base could not be deployed. ``problems`` are those of
    ``step``, the last one that was taken. ``seconds`` are those of all.
    """

    preview: Preview | None = None
    step: str = ""
    problems: list[Problem] = field(default_factory=list)
    seconds: float = 0.0


def rehearse(before: Path, after: Path, stack: str, installed: Installed) -> Rehearsed:
    """Deploy the program in ``before``, preview the one in ``after``, and deploy that if something changes.

    Then another preview must find nothing to do. A step with a problem is the last. Raises CannotRehearse if it cannot
    begin, NoPreview if the CLI does not say what it would do.
    """
    began = time.monotonic()
    plane = ControlPlane(World(project=project_of(before, stack, Declaration.load(before)), enabled=()))
    journal = Journal()
    with (
        tempfile.TemporaryDirectory(prefix="omnipipe-review-") as folder,
        server.running(plane, journal=journal) as address,
    ):
        done = _Change(Path(folder).resolve(), address, journal, stack, installed).rehearse(before, after)
    done.seconds = time.monotonic() - began
    return done


class _Change:
    """The steps, in a folder of their own. Both programs have one home of Pulumi's, one state and one Google."""

    def __init__(self, folder: Path, address: str, journal: Journal, stack: str, installed: Installed) -> None:
        self._folder, self._address, self._journal = folder, address, journal
        self._stack, self._installed = stack, installed
        self._done = Rehearsed()

    def rehearse(self, before: Path, after: Path) -> Rehearsed:
        """The steps, one after the other."""
        workspace = Workspace(self._folder / "before", before, self._installed)
        old = workspace.checkout("checkout")
        new = Workspace(self._folder / "after", after, self._installed).checkout("checkout")
        if self._fails("up of the base", self._engine(workspace, old).up):
            return self._done
        engine = self._engine(workspace, new)
        self._done.step = "preview"
        self._done.preview = preview = self._preview(new, workspace.environment(self._address, new))
        if preview.changes and not preview.stops and not self._fails("up", engine.up):
            self._fails("preview again", engine.preview, unchanged=True)
        return self._done

    def _engine(self, workspace: Workspace, checkout: Path) -> Engine:
        environment = workspace.environment(self._address, checkout)
        engine = Engine(checkout, self._stack, workspace.home, environment)
        engine.configure(Declaration.load(checkout).settings)
        return engine

    def _preview(self, checkout: Path, environment: dict[str, str]) -> Preview:
        """As it is asked of a deployed stack, so that both are read by the same words."""
        policies = Declaration.load(checkout).policies
        pack = ["--policy-pack", str(checkout / policies)] if policies else []
        told = subprocess.run(
            [str(self._installed.cli), "preview", "--json", "--stack", self._stack, "--non-interactive", *pack],
            cwd=checkout,
            env=environment | STREAMED,
            capture_output=True,
            text=True,
            check=False,
        )
        preview = read(told.stdout.splitlines())
        if told.returncode and not preview.stops:
            preview.errors.append(Said("", told.stderr.strip()))
        return preview

    def _fails(self, step: str, ask: Callable[[], Outcome], *, unchanged: bool = False) -> bool:
        """Take a step; whether it has a problem. ``unchanged`` is for one that should find nothing to do."""
        start = len(self._journal)
        outcome = ask()
        exchanges = self._journal.since(start)
        self._done.step = step
        self._done.problems = problems.of_failures(outcome, exchanges) + problems.of_strangers(exchanges)
        if unchanged:
            self._done.problems += problems.of_changes(outcome)
        return bool(self._done.problems)
