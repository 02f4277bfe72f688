"""Bring the laptop cloud up, and take it down."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop import outside_world, program
from omnipipe.laptop.bigquery import argv as bigquery_argv
from omnipipe.laptop.cloud import BIGQUERY, GOOGLE, Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import PROJECT_ROOT, Home, current, home_root, lock, make_current
from omnipipe.laptop.ports import configured_base
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services import datastream, functions, sql
from omnipipe.laptop.services.run import JOB


@dataclass(frozen=True)
class Up:
    """What ``up`` did: the resources by what became of them, the stack's outputs, and how long it took."""

    stack: str
    changes: dict[str, int]
    outputs: dict[str, Any]
    seconds: float


def up(
    stack: str,
    *,
    real_weather: bool = False,
    report: Callable[[str, Resource], None] = lambda *_: None,
) -> Up:
    """Run the program for a stack and make its resources real, in the background.

    What is already as the program says is left alone; what it no longer registers is taken down.

    Raises LaptopError when something stands in the way; what was made until then stays, and the next ``up`` goes on.
    """
    began = time.monotonic()
    home = Home(home_root(), stack)
    home.prepare()
    with lock(home.root):
        _refuse_another_stack(home)
        project = program.Project.load(PROJECT_ROOT, stack)
        changes: dict[str, int] = {}

        def count(what: str, resource: Resource) -> None:
            changes[what] = changes.get(what, 0) + 1
            report(what, resource)

        cloud = Cloud(
            home,
            project.config["gcp:project"],
            project.config["gcp:region"],
            real_weather=real_weather,
            base_port=configured_base(),
        )
        cloud.remember()
        make_current(home)
        with ending_everything_on_interrupt(cloud):
            _start_own_processes(cloud)
            outside_world.start_weather_api(cloud)
            config = project.config | outside_world.replaced(cloud)
            deployment = Deployment(cloud, count)
            outputs = program.run(dataclasses.replace(project, config=config), deployment)
            deployment.take_down_unregistered()
            outside_world.start_webhook(cloud)
            cloud.wait_for_google()
    return Up(stack, changes, outputs, time.monotonic() - began)


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
            shutil.rmtree(cloud.sockets, ignore_errors=True)
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
    registry = cloud.registry
    return [
        GOOGLE,
        BIGQUERY,
        *outside_world.simulators(cloud),
        *(f"postgres-{instance.name}" for instance in registry.of_type(sql.INSTANCE)),
        *(datastream.process_name(stream) for stream in registry.of_type(datastream.STREAM)),
        *(function.inputs["name"] for function in registry.of_type(functions.FUNCTION)),
    ]


def _refuse_another_stack(home: Home) -> None:
    other = current()
    if other is None or other.stack == home.stack:
        return
    if Cloud(other, "", "").processes.running():
        raise LaptopError(
            f"the stack {other.stack} is up: take it down first with `omnipipe down`, its data stays"
        )


def _start_own_processes(cloud: Cloud) -> None:
    """Start what stands for Google itself: BigQuery, and the control services. Who needs one waits for it."""
    if not is_whole(cloud):
        # An execution that lost a service under it, and tasks that lost their server, must not go on beside the next.
        cloud.processes.stop([GOOGLE, *(job.inputs["name"] for job in cloud.registry.of_type(JOB))])
    data = cloud.home.path("bigquery")
    argv = bigquery_argv(data, cloud.ports.of(BIGQUERY), cloud.project, cloud.identity)
    cloud.start(Spec(BIGQUERY, argv, clean_environment()), port_name=BIGQUERY)
    argv = [sys.executable, "-m", "omnipipe.laptop.server", str(cloud.home.root), cloud.home.stack]
    # Of what the user has set it sees the one service that the laptop lacks and somebody may emulate.
    pubsub = {name: os.environ[name] for name in ("PUBSUB_EMULATOR_HOST",) if os.environ.get(name)}
    cloud.start(Spec(GOOGLE, argv, clean_environment() | pubsub), port_name=GOOGLE)
