"""What the policies of a program cost: to load them, and to ask them about a whole stack.

    .venv/bin/python -m bench.policies [--stack prod] [--repeat N]

Each time they are loaded in a process that has the program's packages already, as `omnipipe up` has them. Nothing heavy
should run beside it.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from omnipipe.laptop import plan, program
from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.home import PROJECT_ROOT, Home
from omnipipe.laptop.policies import Pack
from omnipipe.laptop.project import Project

TARGET = "1 s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stack", default="prod")
    parser.add_argument("--repeat", type=int, default=9, help="the figure is a median")
    arguments = parser.parse_args()
    project = Project.load(PROJECT_ROOT, arguments.stack)
    with tempfile.TemporaryDirectory(prefix="omnipipe-bench-") as folder:
        cloud = Cloud(Home(Path(folder), project.name, project.stack), "my-project", "europe-west1")
        cloud.ports.foresee()
        planned = plan.Plan(cloud)
        program.run(project, planned, preview=True)
    began = time.perf_counter()
    pack = Pack.load(PROJECT_ROOT / "policy")
    loaded = time.perf_counter() - began
    asked, found = [], []
    for _ in range(arguments.repeat):
        began = time.perf_counter()
        found = pack.violations(planned.resources, project.name, project.stack)
        asked.append(time.perf_counter() - began)
    resources = f"{len(planned.resources)} resources of {arguments.stack}"
    print(f"{len(pack.policies)} policies, {resources}, {len(found)} violations")
    print(f"loaded: {loaded:.2f} s; asked: {statistics.median(asked):.2f} s (target: {TARGET} together)")


if __name__ == "__main__":
    main()
