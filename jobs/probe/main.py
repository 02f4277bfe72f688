"""Cloud Run job: measure what no error tells of, such as a run that never began, and log each figure as one line.

Alerts are thresholds on metrics of these lines (components/monitoring.py). It reads BigQuery's ops tables and
analysis.kpis, the metadata of the sources' tables, and Postgres' replication slots, and writes nothing.

Environment: GOOGLE_CLOUD_PROJECT, BIGQUERY_LOCATION, PIPELINE (the workflow's name), DELIVERS (true, or false where
there is no destination, and so no backlog), and libpq's PGHOST, PGPORT, PGDATABASE and PGUSER; the password is an
access token of its own. What cannot be measured is an error line that names it; the rest is measured all the same, and
the exit code is 1.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import database_figures
import warehouse_figures
from figure import Figure

from omnipipe.runtime import log, warehouse

_log = logging.getLogger("probe")


def main() -> int:
    """Run the job and return its exit code."""
    log.configure("probe")
    needed = ("BIGQUERY_LOCATION", "PIPELINE", "DELIVERS", "PGHOST", "PGDATABASE", "PGUSER")
    missing = [name for name in needed if not os.environ.get(name)]
    if missing:
        _log.error("%s: not set; the job's component must give it", ", ".join(missing))
        return 1
    return 0 if measure(datetime.now(UTC)) else 1


def measure(now: datetime) -> bool:
    """Log every figure as of ``now``; False when one of them could not be measured."""
    began = time.monotonic()
    client = warehouse.Client("probe", location=os.environ["BIGQUERY_LOCATION"])
    sources: dict[str, Callable[[], Iterable[Figure]]] = {
        "runs, checks and dead letters": lambda: warehouse_figures.ops(client, os.environ["PIPELINE"], now),
        "the age of the sources' tables": lambda: warehouse_figures.source_ages(client, now),
        "replication slots": database_figures.measure,
    }
    if os.environ["DELIVERS"] == "true":
        sources["the backlog of reverse sync"] = lambda: warehouse_figures.backlog(client, now)
    measured = [_log_figures(what, source) for what, source in sources.items()]
    # Last and always: when this line stays away, the probe itself does not run.
    Figure("probe_seconds", "probe", time.monotonic() - began, "seconds of one measurement").log()
    return all(measured)


def _log_figures(what: str, source: Callable[[], Iterable[Figure]]) -> bool:
    try:
        for figure in source():
            figure.log()
    except Exception as error:  # noqa: BLE001 - whatever keeps one from being measured must not hide the others
        _log.error("not measured: %s: %s", what, " ".join(str(error).split()) or type(error).__name__)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
