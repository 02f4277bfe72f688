"""Bring the laptop cloud up, and take it down."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omnipipe.laptop import outside_world
from omnipipe.laptop.cloud import BIGQUERY, GOOGLE, Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import Home, current, home_root, lock, make_current
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.ports import DEFAULT_BASE, configured_base
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.project import Project
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.bigquery.emulator import argv as bigquery_argv

if TYPE_CHECKING:
    from omnipipe.laptop.plan import Preview
    from omnipipe.laptop.policies import Violation

# What a stack's configuration must hold to, beyond its form; it raises LaptopError.
Check = Callable[[Project], None]


@dataclass(frozen=True)
class Changed:
    """What became of a resource: created, changed, unchanged or removed."""

    what: str
    kind: str
    name: str


@dataclass(frozen=True)
class Up:
    """What ``up`` did with each resource, what policies warn of, the stack's outputs, and how long it took, in s."""

    stack: str
    changes: tuple[Changed, ...]
    warnings: tuple[Violation, ...]
    outputs: dict[str, Any]
    seconds: float


def up(
    program: Path,
    stack: str,
    *,
    real: Sequence[str] = (),
    may_lose_data: bool = False,
    check: Check = lambda _: None,
    report: Callable[[str, Resource], None] = lambda *_: None,
) -> Up:
    """Run the program in a folder for a stack, and make its resources real, in the background.

    What is already as the program says is left alone; what it no longer registers is taken down. ``check`` sees the
    stack's own configuration, before the addresses of the outside world are replaced in it, but of the simulators
    named in ``real``.

    Raises LosesData before something with data in it is replaced or removed without leave, LaptopError before
    anything is made that the program's policies refuse, and when something else stands in the way; what was made until
    then stays, and the next ``up`` goes on.
    """
    began = time.monotonic()
    project = Project.load(program, stack)
    home = Home(home_root(), project.name, stack)
    home.prepare()
    with lock(home.root):
        check(project)
        cloud = _opened(home, program, project, real)
        changes: list[Changed] = []

        def count(what: str, resource: Resource) -> None:
            changes.append(Changed(what, resource.kind, resource.name))
            report(what, resource)

        cloud.remember()
        make_current(home)
        from omnipipe.laptop.program import run  # the SDK, which takes a while to load: other commands do without

        with ending_everything_on_interrupt(cloud):
            _start_own_processes(cloud)  # they come up while the policies are asked
            warnings = _asked(_opened(home, program, project, real), project)
            config = project.config | outside_world.replaced(cloud)
            deployment = Deployment(cloud, count, may_lose_data=may_lose_data)
            outputs = run(project.with_config(config), deployment)
            deployment.take_down_unregistered()
            outside_world.start(cloud)
            cloud.wait_for_google()
            deployment.prove()
            if missing := missing_processes(cloud):
                said = ", ".join(f"{name} ({cloud.processes.last_words(name)})" for name in missing)
                raise LaptopError(f"it came up, and then these processes ended: {said}")
    return Up(stack, tuple(changes), warnings, outputs, time.monotonic() - began)


def _asked(cloud: Cloud, project: Project) -> tuple[Violation, ...]:
    """Of what the policies of a program warn, before any of it is made. Raises LaptopError for what they refuse."""
    if not cloud.declaration.policies:
        return ()
    from omnipipe.laptop import plan, policies

    said = plan.preview(cloud, project).violations
    policies.refuse(said)
    return tuple(said)


def preview(program: Path, stack: str, *, real: Sequence[str] = (), check: Check = lambda _: None) -> Preview:
    """What ``up`` would do, in the order of the program, without doing it, and what policies say of it.

    Raises LaptopError as ``up`` would, as far as that can be told beforehand.
    """
    from omnipipe.laptop import plan

    project = Project.load(program, stack)
    check(project)
    return plan.preview(_opened(Home(home_root(), project.name, stack), program, project, real), project)


def _opened(home: Home, program: Path, project: Project, real: Sequence[str]) -> Cloud:
    """The cloud of a home as its stack's file wants it now.

    Raises LaptopError for a setting that is missing, while another stack is up, and when what was made with the file's
    earlier project, region or ports cannot follow.
    """
    _refuse_another_stack(home)
    place = {name: _setting(project, f"gcp:{name}") for name in ("project", "region")}
    wanted = configured_base()
    before = Cloud.open(home) if (home.directory / "stack.json").exists() else None
    port = wanted or (before.base_port if before else DEFAULT_BASE)
    cloud = Cloud(home, place["project"], place["region"], program=program, real=real, base_port=port)
    outside_world.simulators(cloud)  # refuses a name that none has
    if before is None:
        return cloud
    if any(True for _ in cloud.registry):
        moved = [
            f"{project.lines.get(f'gcp:{name}', f'Pulumi.{home.stack}.yaml')}: gcp:{name} is {value}, and what is "
            f"here was made for {getattr(before, name)}"
            for name, value in place.items()
            if value != getattr(before, name)
        ]
        if moved:
            raise LaptopError(
                "\n".join(moved)
                + "\nData does not move to another project or region. To keep it, put the earlier "
                "value back; to begin anew, remove it with `omnipipe down --purge`, and then `omnipipe up`"
            )
    if cloud.base_port != before.base_port and cloud.processes.running():
        raise LaptopError(
            f"the stack {home.stack} is up on the ports from {before.base_port} on, and OMNIPIPE_PORT is "
            f"{cloud.base_port}: unset it, or take the stack down first with `omnipipe down`"
        )
    return cloud


def _setting(project: Project, key: str) -> str:
    if key not in project.config:
        raise LaptopError(f"Pulumi.{project.stack}.yaml does not set {key}, which the laptop needs: add it there")
    return project.config[key]


def down(*, purge: bool = False) -> list[str]:
    """Stop every process of the laptop cloud; its data stays, unless ``purge``. Returns the names of what ended."""
    home = current()
    if home is None:
        return []
    with lock(home.root):
        cloud = Cloud(home, "", "")
        names = sorted(cloud.processes.running())
        cloud.processes.stop()
        if purge:
            shutil.rmtree(cloud.home.sockets, ignore_errors=True)
            shutil.rmtree(home.directory)
            (home.root / "current").unlink(missing_ok=True)
    return names


@contextlib.contextmanager
def ending_everything_on_interrupt(cloud: Cloud) -> Iterator[None]:
    """On Ctrl-C leave no process. What is on disk is whole at any moment, and the next ``up`` goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one must not leave half of them
        cloud.processes.close()
        raise


def is_whole(cloud: Cloud) -> bool:
    """Whether every process that ``up`` started still runs."""
    return not missing_processes(cloud)


def missing_processes(cloud: Cloud) -> list[str]:
    """The processes that ``up`` started and that no longer run, by name."""
    return sorted(set(expected_processes(cloud)) - set(cloud.processes.running()))


def expected_processes(cloud: Cloud) -> list[str]:
    """The processes of a cloud that is up."""
    of_resources = (KINDS[resource.type].process(resource) for resource in cloud.registry)
    simulators = (simulator.name for simulator in outside_world.simulators(cloud))
    # Some have one process together.
    return list(dict.fromkeys([GOOGLE, BIGQUERY, *simulators, *filter(None, of_resources)]))


def _refuse_another_stack(home: Home) -> None:
    other = current()
    if other is None or other == home:
        return
    if Cloud(other, "", "").processes.running():
        shown = other.stack if other.project == home.project else other.name
        raise LaptopError(f"the stack {shown} is up: take it down first with `omnipipe down`, its data stays")


def _start_own_processes(cloud: Cloud) -> None:
    """Start what stands for Google itself: BigQuery, and the control services. Who needs one waits for it."""
    if not is_whole(cloud):
        # An execution that lost a service under it, and tasks that lost their server, must not go on beside the next.
        tasks = set(cloud.processes.running()) - set(expected_processes(cloud))
        cloud.processes.stop([GOOGLE, *tasks])
    data = cloud.home.path("bigquery")
    argv = bigquery_argv(data, cloud.ports.of(BIGQUERY), cloud.project, cloud.identity)
    cloud.start(Spec(BIGQUERY, argv, clean_environment()), port_name=BIGQUERY)
    argv = [
        sys.executable,
        "-m",
        "omnipipe.laptop.server",
        str(cloud.home.root),
        cloud.home.project,
        cloud.home.stack,
    ]
    # Of what the user has set it sees the one service that the laptop lacks and somebody may emulate.
    pubsub = {name: os.environ[name] for name in ("PUBSUB_EMULATOR_HOST",) if os.environ.get(name)}
    cloud.start(Spec(GOOGLE, argv, clean_environment() | pubsub), port_name=GOOGLE)
