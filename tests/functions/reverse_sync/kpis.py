"""Rows of analysis.kpis, and what the ledger says of them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from google.cloud import bigquery

from omnipipe.contracts.tables import KPIS, Kpi
from omnipipe.runtime import warehouse
from tests.support.emulator import rows

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def kpi(number: int, content: str = "a", updated_at: datetime = NOON) -> Kpi:
    """The figures of one city and day."""
    return Kpi(
        city="Zürich",
        day=date(2026, 1, 1) + timedelta(days=number),
        trips=number,
        riders=1,
        revenue=Decimal("12.30"),
        mean_distance_km=2.5,
        cancellation_rate=None,
        wet_hours=None,
        mean_temperature_c=4.5,
        trips_wet=0,
        trips_dry=number,
        content_hash=content,
        updated_at=updated_at,
    )


def put(client: bigquery.Client, *kpis: Kpi) -> None:
    """Add rows."""
    warehouse.load(client, KPIS, kpis)


def change(client: bigquery.Client, *kpis: Kpi) -> None:
    """Put rows in the place of those of their days."""
    days = ", ".join(f"'{changed.day}'" for changed in kpis)
    rows(client, f"DELETE FROM analysis.kpis WHERE CAST(day AS STRING) IN ({days})")
    put(client, *kpis)


def watermarks(client: bigquery.Client) -> list[tuple[datetime, str]]:
    """The watermark as it moved."""
    found = rows(client, "SELECT * FROM ops.reverse_sync_state ORDER BY recorded_at")
    return [(row["watermark_updated_at"], row["watermark_key"]) for row in found]


def deliveries(client: bigquery.Client) -> list[tuple[str, str, int | None]]:
    """Key, status and answer of each message, without the rows of before it was sent."""
    found = rows(
        client,
        "SELECT * FROM ops.reverse_sync_deliveries WHERE status != 'attempting' ORDER BY recorded_at, key",
    )
    return [(row["key"], row["status"], row["http_status"]) for row in found]


def statuses(client: bigquery.Client) -> list[str]:
    """What became of each message, in the order of time and key."""
    return [status for _, status, _ in deliveries(client)]


def dead_letters(client: bigquery.Client) -> list[dict[str, Any]]:
    """What was given up."""
    return rows(client, "SELECT * FROM ops.dead_letters ORDER BY recorded_at")
