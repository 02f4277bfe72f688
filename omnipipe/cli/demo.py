"""`demo`: a whole day on this machine, in one command."""

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from omnipipe.cli.console import called, console, say
from omnipipe.cli.records import table

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

TRAFFIC_SECONDS = 5.0
TRAFFIC_RATE = 60.0

_KPIS = """
SELECT city, day, trips, riders, revenue, mean_distance_km AS mean_km, cancellation_rate AS cancelled, wet_hours,
    mean_temperature_c AS mean_c, trips_wet, trips_dry
FROM analysis.kpis
WHERE day IN (SELECT DISTINCT day FROM analysis.kpis ORDER BY day DESC LIMIT 2)
ORDER BY day, city
"""
_CHANGED = "SELECT COUNT(*) FROM analysis.kpis WHERE updated_at > TIMESTAMP(@since)"
_SENT = "SELECT COUNT(*) FROM ops.reverse_sync_deliveries WHERE status = 'sent' AND run_id = @run_id"

# What to do after it: commands, and what for. The README's sample has them too.
NEXT = (
    ("status", "what runs, and where"),
    ("tables", "the tables, and how many rows each has"),
    ("sql 'SELECT * FROM ops.step_runs'", "every step of every run"),
    ("deliveries", "what the webhook has received"),
    ("traffic", "more business; then run"),
    ("down", "stop it; the data stays"),
)


def demo(
    trips: Annotated[int, typer.Option(help="How many trips to begin with.", min=1)] = 100_000,
) -> None:
    """Show a whole day: up, seed, run, some traffic, run again; what changed, and what the second run cost."""
    from omnipipe.cli.cloud import bring_up
    from omnipipe.laptop import access, lifecycle

    began = time.monotonic()
    _heading(1, "Up: the Pulumi program, every resource made real on this machine")
    up = bring_up("dev")
    console.print(f"{len(up.changes)} resources after {up.seconds:.1f} s.")

    cloud = access.running_cloud()
    with lifecycle.ending_everything_on_interrupt(cloud):
        _show_a_day(cloud, trips)
    console.print(f"\nAll of it took {time.monotonic() - began:.0f} s. What to do next:")
    width = max(len(called(command)) for command, _ in NEXT) + 2
    for command, purpose in NEXT:
        console.print(f"  [bold]{escape(called(command)):<{width}}[/]{purpose}", soft_wrap=True)


def _show_a_day(cloud: "Cloud", trips: int) -> None:
    from omnipipe.cli.runs import daily_run
    from omnipipe.cli.sources import fill, go_on
    from omnipipe.laptop.services.bigquery import client
    from seed.traffic import in_words

    _heading(2, f"Seed: {trips:,} simulated trips into Postgres")
    started = time.monotonic()
    console.print(f"{fill(trips)['message']}, in {time.monotonic() - started:.1f} s.")

    _heading(3, "Run: capture, weather, dbt, validation, and only then the KPIs go out")
    first = _finished(daily_run(cloud))

    _heading(4, f"Traffic: {TRAFFIC_SECONDS:.0f} s of business in Postgres")
    changes = go_on(TRAFFIC_SECONDS, TRAFFIC_RATE)
    say(f"{in_words(changes)}.")

    _heading(5, "Run again: only what changed is read, transformed and sent")
    (since,) = client.query(cloud, "SELECT CAST(CURRENT_TIMESTAMP() AS STRING)")[1][0]
    second = _finished(daily_run(cloud))
    ((changed,),) = client.query(cloud, _CHANGED, since=since)[1]
    ((sent_first,),) = client.query(cloud, _SENT, run_id=first["run_id"])[1]
    ((sent_second,),) = client.query(cloud, _SENT, run_id=second["run_id"])[1]
    console.print()
    table(
        ("", "first run", "second run"),
        [
            ("seconds", f"{first['seconds']:.2f}", f"{second['seconds']:.2f}"),
            ("rows written by dbt", f"{_rows(first, 'dbt'):,}", f"{_rows(second, 'dbt'):,}"),
            ("KPI rows that changed", f"{sent_first:,}", f"{changed:,}"),
            ("messages to the webhook", f"{sent_first:,}", f"{sent_second:,}"),
        ],
    )

    _heading(6, "The KPIs of the last two days (simulated data)")
    columns, rows = client.query(cloud, _KPIS)
    table(columns, [[_rounded(value) for value in row] for row in rows])


def _rounded(value: Any) -> Any:
    return f"{value:z,.2f}" if isinstance(value, float | Decimal) else value  # z: -0.001 is 0.00, not -0.00


def _heading(number: int, text: str) -> None:
    console.print(f"\n[bold cyan]{number}[/] [bold]{text}[/]")


def _finished(result: dict[str, Any]) -> dict[str, Any]:
    if result["status"] != "succeeded":
        raise typer.Exit(1)
    return result


def _rows(result: dict[str, Any], step: str) -> int:
    return sum(found["rows"] or 0 for found in result["steps"] if found["step"] == step)
