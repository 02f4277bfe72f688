"""What the whole program of a stack costs before anything is deployed: time and peak memory, run as a preview is.

    .venv/bin/python bench/program.py [--stack dev] [--repeat 5]

Prints one line a figure, with its target, each from fresh processes: the program itself, the whole process around it,
and in them the imports, module by module, and the registrations. Nothing is compared with what is up, and nothing
heavy should run beside it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any

SHOWN_FROM_S = 0.02
OURS = ("components", "stacks", "omnipipe")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--repeat", type=int, default=5, help="fresh processes; figures are medians")
    parser.add_argument("--here", action="store_true", help="run it once in this process, and print JSON")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(here(arguments.stack)))
        return
    runs = [run(arguments.stack) for _ in range(arguments.repeat)]
    report = runs[-1][2]
    print(f"{report['resources']} resources of {arguments.stack}, medians of {len(runs)}:")
    elapsed = statistics.median(r["elapsed"] for _, _, r in runs)
    figure("the program, first line to last registration", elapsed, "s", "2.0 s")
    figure("whole process, Pulumi's SDK and the end too", statistics.median(wall for wall, _, _ in runs), "s")
    figure("  computing, whatever else runs here", statistics.median(cpu for _, cpu, _ in runs), "s")
    figure("peak memory", statistics.median(r["memory_mb"] for _, _, r in runs), "MB", "200 MB")
    spent = {name: statistics.median(r["spent"][name] for _, _, r in runs) for name in report["spent"]}
    for name, seconds in sorted(spent.items(), key=lambda entry: -entry[1]):
        if seconds >= SHOWN_FROM_S:
            figure(f"  {name}", seconds, "s")


def run(stack: str) -> tuple[float, float, dict[str, Any]]:
    """One fresh process: its seconds on the clock and on the processor, and what it says of itself."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, __file__, "--here", "--stack", stack],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, computing, json.loads(done.stdout)


class Nothing:
    """A deployment that makes nothing (see ``omnipipe.laptop.program.Deployment``)."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def register(
        self,
        type_: str,
        name: str,
        inputs: dict[str, Any],
        protect: bool,
        replace_on_changes: Sequence[str],
        ignore_changes: Sequence[str],
    ) -> tuple[str, dict[str, Any]]:
        """Remember a resource's name; its outputs are its inputs."""
        self.names.append(name)
        return name, inputs


def here(stack: str) -> dict[str, Any]:
    """Run the program in this process."""
    spent = timed_imports()
    from omnipipe.laptop import program
    from omnipipe.laptop.home import PROJECT_ROOT
    from omnipipe.laptop.project import Project

    project, deployment = Project.load(PROJECT_ROOT, stack), Nothing()
    before, began = sum(spent.values()), time.perf_counter()
    program.run(project, deployment, preview=True)
    elapsed = time.perf_counter() - began
    return {
        "elapsed": elapsed,
        "spent": spent | {"all else: registrations": elapsed - (sum(spent.values()) - before)},
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "resources": len(deployment.names),
    }


def timed_imports() -> dict[str, float]:
    """From now on have the seconds of each package's import, with all that it imports in turn.

    They are taken where a module's source is executed: the provider imports its modules where they are first touched.
    """
    spent: dict[str, float] = {}
    execute, outer = SourceFileLoader.exec_module, [True]

    def timed(self: SourceFileLoader, module: ModuleType) -> None:
        if not outer[0] or module.__name__.startswith(OURS):
            return execute(self, module)
        began, outer[0] = time.perf_counter(), False
        try:
            return execute(self, module)
        finally:
            outer[0] = True
            parts = module.__name__.split(".")
            name = "import " + ".".join(parts[: 2 if parts[0].startswith("pulumi") else 1])
            spent[name] = spent.get(name, 0) + time.perf_counter() - began

    SourceFileLoader.exec_module = timed
    return spent


def figure(what: str, value: float, unit: str, target: str = "") -> None:
    """One line of the report."""
    print(f"{what:<44}{value:>8.2f} {unit:<3}{f'target {target}' if target else ''}")


if __name__ == "__main__":
    main()
