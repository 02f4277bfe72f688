"""Cloud Run job: play the business in a database that is for trying things out; the same as on the laptop.

Environment: ACTION, what to do: ``seed`` fills it with simulated customers and trips, TRIPS of them, and ``traffic``
goes on for SECONDS seconds at RATE changes a second. And libpq's PGHOST, PGPORT, PGDATABASE, PGUSER and PGPASSWORD, of
the user who may write rows. The exit code is 1 when the database refuses, or is not as the action needs it.
"""

import logging
import os
import sys
from datetime import UTC, datetime

import psycopg

from omnipipe.runtime import log
from seed import load, traffic
from seed.generator import Plan

_log = logging.getLogger("business")


def main() -> int:
    """Do what ACTION says, and log what became of it; returns the exit code."""
    log.configure("business")
    actions = {"seed": _seed, "traffic": _traffic}
    action = os.environ.get("ACTION", "")
    if action not in actions:
        _log.error("ACTION is %r: give one of %s", action, ", ".join(actions))
        return 1
    try:
        _log.info("%s", actions[action]())
    except (load.SeedRefused, traffic.NoCustomers) as error:
        _log.error("%s", error)
        return 1
    except psycopg.Error as error:
        _log.error("the database refused: %s", " ".join(str(error).split()))
        return 1
    return 0


def _seed() -> str:
    trips = int(_number("TRIPS"))
    return load.load("", Plan(trips=trips, end=datetime.now(UTC).date())).message


def _traffic() -> str:
    changed = traffic.run("", _number("SECONDS"), _number("RATE"))
    return f"{sum(changed.values()):,} rows changed: {traffic.in_words(changed)}"


def _number(name: str) -> float:
    text = os.environ.get(name, "")
    try:
        return float(text)
    except ValueError:
        _log.error("%s is %r: give a number", name, text)
        raise SystemExit(1) from None


if __name__ == "__main__":
    sys.exit(main())
