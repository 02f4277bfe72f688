"""Serve the control plane until it is interrupted: ``python -m omnipipe.rehearsal --port 9000``."""

from __future__ import annotations

import argparse
import sys
import threading

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.faults import Faults
from omnipipe.rehearsal.world import World


def main() -> None:
    """Read the options and serve."""
    options = argparse.ArgumentParser(prog="python -m omnipipe.rehearsal", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="a port of 127.0.0.1; any free one without")
    options.add_argument("--project", default=World.project, help="the id of the project that is deployed to")
    options.add_argument("--number", default=World.number, help="its number")
    options.add_argument(
        "--enabled", nargs="*", help="the APIs that are enabled from the start (run sqladmin); all without"
    )
    options.add_argument(
        "--any-form", action="store_true", help="take names and numbers that have not Google's form"
    )
    options.add_argument(
        "--propagation",
        type=float,
        default=World.propagation,
        metavar="SECONDS",
        help="how long new identities, grants and enabled APIs are not seen yet; 0 without",
    )
    options.add_argument(
        "--faults", type=float, default=0.0, metavar="RATE", help="the share of requests that fail"
    )
    options.add_argument("--seed", type=int, default=1, help="which of them do")
    chosen = options.parse_args()
    world = World(
        chosen.project,
        chosen.number,
        enabled=chosen.enabled,
        any_form=chosen.any_form,
        propagation=chosen.propagation,
    )
    faults = Faults(chosen.faults, chosen.seed) if chosen.faults else None
    with server.running(ControlPlane(world), chosen.port, faults=faults) as address:
        sys.stdout.write(f"{address}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
