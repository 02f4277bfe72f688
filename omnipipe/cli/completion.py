"""What the shell completes beside the commands themselves: the names of the program's parts, as it was deployed last.

Where there is nothing to complete from, as before the first ``omnipipe up``, nothing is completed and nothing said.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


def _completing(find: "Callable[[Cloud], Iterable[str]]") -> Callable[[str], list[str]]:
    """What Typer calls with the beginning of a word, of a function that finds all that there are."""

    def complete(incomplete: str) -> list[str]:
        from omnipipe.laptop.cloud import Cloud
        from omnipipe.laptop.errors import LaptopError

        try:
            return sorted(name for name in find(Cloud.current()) if name.startswith(incomplete))
        except LaptopError:
            return []

    return complete


@_completing
def workflows_and_jobs(cloud: "Cloud") -> Iterable[str]:
    """What `run NAME` starts."""
    from omnipipe.laptop import workloads

    return workloads.workflows(cloud).keys() | workloads.jobs(cloud).keys()


@_completing
def jobs(cloud: "Cloud") -> Iterable[str]:
    """What `job` executes."""
    from omnipipe.laptop import workloads

    return workloads.jobs(cloud)


@_completing
def functions_and_jobs(cloud: "Cloud") -> Iterable[str]:
    """What `debug` starts."""
    from omnipipe.laptop import workloads

    return workloads.functions(cloud).keys() | workloads.jobs(cloud).keys()


@_completing
def steps(cloud: "Cloud") -> Iterable[str]:
    """The steps of the day, for `run --only`."""
    from omnipipe.laptop import workloads

    day = cloud.declaration.of_command("run", "workflow")["workflow"]
    return workloads.steps(cloud, workloads.workflow(cloud, day))


@_completing
def accounts(cloud: "Cloud") -> Iterable[str]:
    """As whom one may be, for `--as`."""
    from omnipipe.laptop.iam.bindings import ACCOUNT

    return [each.inputs["accountId"] for each in cloud.registry.of_type(ACCOUNT)]


@_completing
def logs(cloud: "Cloud") -> Iterable[str]:
    """What has written a log."""
    return [file.stem for file in cloud.home.path("logs").glob("*.log")]


@_completing
def tables(cloud: "Cloud") -> Iterable[str]:
    """The tables and views that are in BigQuery."""
    from omnipipe.laptop.services.bigquery import queries

    return queries.names(cloud)


def simulators(incomplete: str) -> list[str]:
    """What `--real` takes, of this project's own program: it may not be up yet."""
    from omnipipe.laptop.declaration import Declaration
    from omnipipe.laptop.home import PROJECT_ROOT

    return [name for name in Declaration.load(PROJECT_ROOT).simulators if name.startswith(incomplete)]


def stacks(incomplete: str) -> list[str]:
    """The stacks of this project's own program."""
    from omnipipe.laptop.home import PROJECT_ROOT

    names = sorted(file.name.split(".")[1] for file in PROJECT_ROOT.glob("Pulumi.*.yaml"))
    return [name for name in names if name.startswith(incomplete)]
