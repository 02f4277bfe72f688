"""A deployment from its preview to its removal, against the control plane: the steps, and what went wrong in each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from omnipipe.rehearsal import reservations, server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.engine import late, left, problems, repair
from omnipipe.rehearsal.engine.declaration import Declaration
from omnipipe.rehearsal.engine.engine import Engine, Outcome
from omnipipe.rehearsal.engine.installed import CannotRehearse, Installed
from omnipipe.rehearsal.engine.left import Left
from omnipipe.rehearsal.engine.problems import Problem
from omnipipe.rehearsal.engine.repair import Repair
from omnipipe.rehearsal.engine.workspace import Workspace
from omnipipe.rehearsal.faults import Faults
from omnipipe.rehearsal.journal import Journal
from omnipipe.rehearsal.world import World

ELSEWHERE = "a-second-checkout"
_REPAIRED_AT_MOST = 5  # times that an `up` is tried again


@dataclass
class Step:
    """One thing that the engine was asked for.

    ``resources`` counts what was done to them, ``requests`` what Google was asked, ``spent`` the seconds of them that
    the control plane took; ``repairs`` are commands that put right what went wrong on purpose.
    """

    name: str
    resources: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    seconds: float = 0.0
    spent: float = 0.0
    changes: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What a rehearsal found. ``left`` is what is still at Google after the removal, None if it did not come to it."""

    versions: str
    stack: str
    steps: list[Step] = field(default_factory=list)
    left: list[Left] | None = None

    @property
    def problems(self) -> list[Problem]:
        """Those of all steps."""
        return [problem for step in self.steps for problem in step.problems]


class Rehearsal:
    """The steps of a stack of a program.

    ``begins`` is called with a step's name, ``ends`` with the step. With ``faults`` the first `up` meets them, and is
    repaired; ``propagation`` is for how many seconds Google does not see what is new.
    """

    def __init__(
        self,
        program: Path,
        stack: str,
        installed: Installed,
        *,
        begins: Callable[[str], None],
        ends: Callable[[Step], None],
        faults: Faults | None = None,
        propagation: float = 0.0,
    ) -> None:
        self._program, self._stack, self._installed = program, stack, installed
        self._begins, self._ends = begins, ends
        self._faults, self._propagation = faults, propagation
        self._declaration = Declaration.load(program)
        self._project = project_of(program, stack, self._declaration)
        self.journal = Journal()
        self.report = Report(installed.line, stack)

    def run(self, *, change: Mapping[str, str] | None = None, quick: bool = False) -> Report:
        """Preview, up, preview; unless ``quick`` also refreshed and from elsewhere, changed, and destroyed.

        A step that fails is the last: what follows would only repeat it. Raises CannotRehearse if it cannot begin.
        """
        plane = ControlPlane(World(project=self._project, enabled=(), propagation=self._propagation))
        with tempfile.TemporaryDirectory(prefix="omnipipe-rehearsal-") as folder:
            workspace = Workspace(Path(folder).resolve(), self._program, self._installed)
            with server.running(plane, journal=self.journal, faults=self._faults, late=late.seconds) as address:
                for _ in self._steps(workspace, address, plane, change or {}, quick):
                    if self.report.steps[-1].problems:
                        break
        return self.report

    def _steps(
        self, workspace: Workspace, address: str, plane: ControlPlane, change: Mapping[str, str], quick: bool
    ) -> Iterator[None]:
        """The steps, one after the other; after each the caller decides whether the next makes sense."""
        checkout = workspace.checkout("checkout")
        engine = self._engine(workspace, address, checkout)
        engine.configure(self._declaration.settings)
        before = left.standing(plane)
        policies = self._declaration.policies
        yield self._step("preview", lambda: engine.preview(policies=policies and str(checkout / policies)))
        yield from self._up(engine, plane)
        yield self._step("preview again", engine.preview, unchanged=True)
        if quick:
            return
        yield self._step("preview, refreshed", lambda: engine.preview(refresh=True), unchanged=True)
        stack_file = checkout / f"Pulumi.{self._stack}.yaml"
        elsewhere = self._engine(workspace, address, workspace.checkout(ELSEWHERE, stack_file))
        yield self._step("preview elsewhere", elsewhere.preview, unchanged=True)
        if change:
            engine.configure(change)
            told = ", ".join(f"{key}={value}" for key, value in change.items())
            yield self._step(f"change {told}", engine.up, keeps_data=True)
            yield self._step("preview again", engine.preview, unchanged=True)
        yield from self._removal(engine, plane)
        self.report.left = left.left(before, plane)

    def _up(self, engine: Engine, plane: ControlPlane) -> Iterator[None]:
        """`up`; with faults again until it ends, each time after what is in its way was repaired."""
        if self._faults is None:
            yield self._step("up", engine.up)
            return
        start = len(self.journal)
        self._begins("up, with faults")
        step, outcome = self._done("up, with faults", engine.up)
        self._faults.stop()
        for _ in range(_REPAIRED_AT_MOST):
            if outcome.ended:
                break
            self._repair(step, repair.imports(outcome, self.journal.since(start), plane), engine, plane)
            yield self._finish(step)
            self._begins("up again")
            step, outcome = self._done("up again", engine.up)
        step.problems = problems.of_failures(outcome, self.journal.since(start))
        self._repair(step, repair.orphans(self.journal.since(start), engine.state()), engine, plane)
        yield self._finish(step)

    def _repair(self, step: Step, repairs: Sequence[Repair], engine: Engine, plane: ControlPlane) -> None:
        """Carry repairs out, and keep them with the step that needs them."""
        for each in repairs:
            each.carry_out(engine, plane)
        step.repairs = [each.command for each in repairs]

    def _removal(self, engine: Engine, plane: ControlPlane) -> Iterator[None]:
        """As the runbook for removing a stack says: what is protected goes last, after a while."""
        state = engine.state()
        if any(each.get("protect") for each in state):
            yield self._step("destroy, protected", engine.preview_destroy, refused=True)
            if self._declaration.release and any(map(_is_locked, state)):
                engine.configure(self._declaration.release)
                yield self._step("release", engine.up, keeps_data=True)
                _disarm(engine.state(), plane)
            yield self._step("destroy, less protected", lambda: engine.destroy(exclude_protected=True))
            plane.clock.advance(reservations.HELD_S)
            engine.command("state", "unprotect", "--all", "--yes")
        yield self._step("destroy", engine.destroy)

    def _engine(self, workspace: Workspace, address: str, checkout: Path) -> Engine:
        return Engine(checkout, self._stack, workspace.home, workspace.environment(address, checkout))

    def _step(
        self,
        name: str,
        ask: Callable[[], Outcome],
        *,
        unchanged: bool = False,
        keeps_data: bool = False,
        refused: bool = False,
    ) -> None:
        """Carry a step out and note what was wrong.

        ``unchanged`` is for one that should find nothing to do, ``keeps_data`` for one that should replace nothing that
        holds data, ``refused`` for one that should fail.
        """
        self._begins(name)
        start = len(self.journal)
        step, outcome = self._done(name, ask)
        exchanges = self.journal.since(start)
        if refused:
            step.resources, step.problems = {}, problems.of_refusal(outcome)
        else:
            step.problems = problems.of_failures(outcome, exchanges)
            step.problems += problems.of_policies(outcome)
            step.problems += problems.of_strangers(exchanges)
            if unchanged:
                step.problems += problems.of_changes(outcome)
            if keeps_data:
                step.problems += problems.of_lost_data(outcome)
        self._finish(step)

    def _done(self, name: str, ask: Callable[[], Outcome]) -> tuple[Step, Outcome]:
        """Ask the engine, and count what Google was asked."""
        start = len(self.journal)
        outcome = ask()
        exchanges = self.journal.since(start)
        changes = [f"{each.what} {each.type} {each.name}" for each in outcome.changes]
        spent = sum(each.seconds for each in exchanges)
        return Step(name, outcome.counts, len(exchanges), outcome.seconds, spent, changes), outcome

    def _finish(self, step: Step) -> None:
        self.report.steps.append(step)
        self._ends(step)


def _is_locked(resource: Mapping[str, Any]) -> bool:
    """Whether a resource of the state refuses its deletion by a setting of its own, and not only by the engine's."""
    return resource.get("inputs", {}).get("deletionProtection") is True


def project_of(program: Path, stack: str, declaration: Declaration) -> str:
    """The project that a stack is deployed to. Raises CannotRehearse for a stack without settings or a project."""
    file = program / f"Pulumi.{stack}.yaml"
    if not (program / "Pulumi.yaml").is_file():
        raise CannotRehearse(f"{program} has no Pulumi.yaml: name the folder of a program with --program")
    if not file.is_file():
        known = sorted(each.name.split(".")[1] for each in program.glob("Pulumi.*.yaml"))
        raise CannotRehearse(f"there is no {file.name}; the stacks here are {', '.join(known) or 'none'}")
    try:
        config: Any = (yaml.safe_load(file.read_text()) or {}).get("config") or {}
    except (yaml.YAMLError, AttributeError) as error:
        raise CannotRehearse(f"{file.name} is no YAML: {error}") from error
    hidden = [key for key, value in config.items() if isinstance(value, dict) and "secure" in value]
    if unknown := sorted(set(hidden) - declaration.settings.keys()):
        raise CannotRehearse(
            f"{', '.join(unknown)} in {file.name} is encrypted, and the rehearsal has no key: give another value for "
            "it in rehearsal.yaml, under settings"
        )
    project = declaration.settings.get("gcp:project") or config.get("gcp:project")
    if not project:
        raise CannotRehearse(f"gcp:project is not set in {file.name}")
    return str(project)


def _disarm(state: Sequence[Mapping[str, Any]], plane: ControlPlane) -> None:
    """Take Cloud SQL's own protection away, as the runbook does by gcloud.

    A provider older than 9.36.1 changes no setting of an instance that is there, and says that it has:
    https://github.com/pulumi/pulumi-gcp/issues/3970
    """
    for each in state:
        if each["type"] == "gcp:sql/databaseInstance:DatabaseInstance":
            made = each["outputs"]
            path = f"/sql/v1beta4/projects/{made['project']}/instances/{made['name']}"
            plane.answer("PATCH", "sqladmin", path, {}, {"settings": {"deletionProtectionEnabled": False}})
