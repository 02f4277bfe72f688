"""What the whole program of a stack costs before anything is deployed: time and peak memory, under mocks.

    .venv/bin/python bench/program.py [--stack dev] [--repeat 5]

Prints one line a figure, with its target, each from fresh processes: the program itself, the whole process around it,
and in them the imports, module by module, and the registrations. Nothing heavy should run beside it.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN_FROM_S = 0.02

# Run in the fresh process. pulumi_gcp imports its modules where the program first touches them, so time is taken
# where a module's source is executed, with all that it imports in turn.
PROGRAM = """
import contextlib, importlib.machinery, json, resource, runpy, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
spent, nesting = {}, 0
def timed(self, module, execute=importlib.machinery.SourceFileLoader.exec_module):
    global nesting
    if nesting or module.__name__.startswith(("components", "stacks", "omnipipe", "tests")):
        return execute(self, module)
    began, nesting = time.perf_counter(), 1
    try:
        return execute(self, module)
    finally:
        nesting = 0
        name = "import " + ".".join(module.__name__.split(".")[:2 if module.__name__.startswith("pulumi") else 1])
        spent[name] = spent.get(name, 0) + time.perf_counter() - began
importlib.machinery.SourceFileLoader.exec_module = timed
from omnipipe.laptop.project import Project
from tests.components.mocks import record
project = Project.load(Path(sys.argv[2]), sys.argv[1])
before, began = sum(spent.values()), time.perf_counter()
with contextlib.chdir(project.main):
    program = record(
        lambda: runpy.run_path(str(project.main), run_name="__main__"), config=project.config, stack=sys.argv[1]
    )
elapsed = time.perf_counter() - began
spent["all else: registrations"] = elapsed - (sum(spent.values()) - before)
memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"elapsed": elapsed, "spent": spent, "memory_mb": memory_mb, "resources": len(program.resources)}))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--repeat", type=int, default=5, help="fresh processes; figures are medians")
    arguments = parser.parse_args()
    runs = [run(arguments.stack) for _ in range(arguments.repeat)]
    report = runs[-1][2]
    print(f"{report['resources']} resources of {arguments.stack}, medians of {len(runs)}:")
    figure(
        "the program, first line to last registration",
        statistics.median(r["elapsed"] for _, _, r in runs),
        "s",
        "1.5 s",
    )
    figure("whole process, Pulumi's SDK and the end too", statistics.median(wall for wall, _, _ in runs), "s")
    figure("  computing, whatever else runs here", statistics.median(cpu for _, cpu, _ in runs), "s")
    figure("peak memory", statistics.median(r["memory_mb"] for _, _, r in runs), "MB", "200 MB")
    spent = {name: statistics.median(r["spent"][name] for _, _, r in runs) for name in report["spent"]}
    for name, seconds in sorted(spent.items(), key=lambda entry: -entry[1]):
        if seconds >= SHOWN_FROM_S:
            figure(f"  {name}", seconds, "s")


def run(stack: str) -> tuple[float, float, dict]:
    """One fresh process: its seconds on the clock and on the processor, and what it says of itself."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, stack, str(ROOT)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, computing, json.loads(done.stdout)


def figure(what: str, value: float, unit: str, target: str = "") -> None:
    """One line of the report."""
    print(f"{what:<44}{value:>8.2f} {unit:<3}{f'target {target}' if target else ''}")


if __name__ == "__main__":
    main()
