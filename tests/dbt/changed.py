"""The dbt models that a change touches, and what hangs below them, built and tested on the emulator.

    .venv/bin/python -m tests.dbt.changed origin/main

parses the project as it was and as it is; builds all models as they were, on a few rows; lets more rows arrive; brings
what does not differ up to date; and builds those that differ, and those that are made from them, with their tests, as
the next run after a deployment would.
"""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.warehouse import Warehouse, running
from omnipipe.review import models, repository
from omnipipe.review.models import DbtFailed
from omnipipe.review.repository import NoBase
from tests.dbt.warehouse import ROOT, change, customer, dbt_for, deliver, job_python, trip, weather
from tests.support.ports import free_ports

# What arrived before the change, and after it: new ones, a corrected one, and one that went.
_BEFORE = (
    *(change(customer(number), "INSERT", number) for number in (1, 2)),
    *(change(trip(number, customer_id=1 + number % 2), "INSERT", 10 + number) for number in (1, 2, 3)),
    *(weather("Berlin", 2, hour, 0.5) for hour in range(24)),
)
_AFTER = (
    change(customer(3), "INSERT", 50),
    change(trip(1, customer_id=2), "UPDATE-INSERT", 51),
    change(trip(2), "DELETE", 52),
    change(trip(4, customer_id=3, fare=Decimal("7.5")), "INSERT", 53),
)


def main(ref: str) -> None:
    """Build what differs from where this branch left a commit. Exits with what is wrong."""
    python = job_python("dbt")
    try:
        with repository.base(ROOT, ref).copy() as before:
            found = models.changed(before / "dbt", ROOT / "dbt", python)
            _say(f"dbt reads the project. Changed since {ref}: {', '.join(found.changed) or 'no model'}.")
            if found.changed:
                _say(f"Below them: {', '.join(found.below) or 'none'}.")
                _build(before / "dbt", python, [*found.changed, *found.below])
    except (NoBase, DbtFailed) as error:
        sys.exit(str(error))


def _build(before: Path, python: Path, selected: list[str]) -> None:
    with TemporaryDirectory() as folder:
        (data := Path(folder, "bigquery")).mkdir()
        with running(data, free_ports(1)) as warehouse:
            warehouse.reset()
            deliver(warehouse, *_BEFORE)
            began = datetime.now(UTC).isoformat()
            _run(warehouse, python, Path(folder, "was"), before, "run", loaded_at=began)
            deliver(warehouse, *_AFTER)
            _run(warehouse, python, Path(folder, "above"), before, "run", "--exclude", *selected, since=began)
            select = ("--exclude-resource-type", "unit_test", "--select", *selected)
            results = _run(warehouse, python, Path(folder, "is"), ROOT / "dbt", "build", *select, since=began)
    for name, said in results:
        _say(f"  {name}: {said.removesuffix(': None')}")


def _run(
    warehouse: Warehouse, python: Path, scratch: Path, project: Path, *arguments: str, **variables: Any
) -> Iterator[tuple[str, str]]:
    """Run a command; what came of each node. Exits with all of it if one failed."""
    scratch.mkdir()
    with dbt_for(warehouse, python, scratch, project) as dbt:
        results = dbt.run(*arguments, **variables)
    failed = results.pop("error")
    if failed:
        told = "\n".join(f"  {name}: {said}" for name, said in results.items())
        sys.exit(f"dbt {arguments[0]} in {project} failed: {failed}\n{told}")
    return iter(results.items())


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's answer


if __name__ == "__main__":
    main(sys.argv[1])
