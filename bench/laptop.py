"""How quick and how large the laptop cloud is: the figures that a user feels.

    .venv/bin/python bench/laptop.py [--trips N]

Prints one line a figure, with its target: `omnipipe --help`, `up` cold and warm, memory when idle, `demo`, and after it
`preview`, `status`, `tables`, `logs` and the first rows of the trips, which `--trips 10000000` makes ten million. It
uses a home and ports of its own below the system's folder for temporary files, takes down what it has started, and
ends by itself. Nothing heavy should run beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("omnipipe"))
FIRST_PORT = 28400  # not the one of a user's own laptop cloud
IDLE_AFTER_S = 10


def main() -> None:
    """Measure, print, and leave nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trips", type=int, default=100_000, help="trips of the demo")
    trips = parser.parse_args().trips
    with tempfile.TemporaryDirectory(prefix="omnipipe-bench-") as home:
        os.environ |= {"OMNIPIPE_HOME": home, "OMNIPIPE_PORT": str(FIRST_PORT)}
        try:
            figure("omnipipe --help, median of 5", statistics.median(seconds("--help") for _ in range(5)), "0.5 s")
            figure("omnipipe up, cold", seconds("up"), "12 s")
            time.sleep(IDLE_AFTER_S)
            figure(f"memory, {IDLE_AFTER_S} s after up", megabytes(), "900 MB")
            omnipipe("down")
            figure("omnipipe up, warm", seconds("up"), "5 s")
            omnipipe("down", "--purge")
            figure(f"omnipipe demo, {trips:,} trips", seconds("demo", "--trips", str(trips)), "60 s")
            figure("memory, after the demo", megabytes(), "900 MB")
            of_three("preview", "3 s")
            for command in ("status", "tables", "logs"):
                of_three(command, "0.6 s")
            of_three("sql", "1 s", "SELECT * FROM prod.fct_trip", "--limit", "100")
        finally:
            omnipipe("down", "--purge")


def of_three(command: str, target: str, *arguments: str) -> None:
    """Print the median of three times of a command."""
    asked = f" {arguments[0]}" if arguments else ""
    name = f"omnipipe {command}{asked}, median of 3"
    figure(name, statistics.median(seconds(command, *arguments) for _ in range(3)), target)


def omnipipe(*arguments: str) -> str:
    """Run the command; what it printed. CalledProcessError, after its own words, when it fails."""
    return subprocess.run([COMMAND, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def seconds(*arguments: str) -> float:
    """How long the command takes."""
    began = time.perf_counter()
    omnipipe(*arguments)
    return time.perf_counter() - began


def megabytes() -> float:
    """Memory of all processes together, each one's own share of what they share (PSS)."""
    return sum(process["megabytes"] for process in json.loads(omnipipe("status", "--json"))["processes"])


def figure(name: str, value: float, target: str) -> None:
    """Print one line."""
    print(f"{name:60} {value:8.2f} {'MB' if name.startswith('memory') else 's'}  (at most: {target})", flush=True)


if __name__ == "__main__":
    main()
