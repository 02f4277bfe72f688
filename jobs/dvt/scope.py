"""Which days a run's checks read: those that changed since the last validated run, and everything once a week.

A check that reads all of a table that grows costs more each day. So a table of days says how to find those of which
rows changed (``changed_days``), wherever they lie; the last days are read in any case, because there rows are to be.
What was damaged without a change is found by the weekly run that reads everything.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from google.cloud import bigquery
from kinds import literal

from omnipipe.contracts.checks import CheckedTable
from omnipipe.contracts.tables import STEP_RUNS, VALIDATION_RESULTS

RECENT_DAYS = 30
# Half a day less: the run of the same hour a week later counts as a week later, also when it begins a little earlier.
_WEEK = timedelta(days=6, hours=12)
_DAYS = re.compile(r"\{days ([^}]+)\}")

# A run is validated when no check of severity error did not pass. Its rows have the moment at which its dbt step began.
_VALIDATED = f"""
    SELECT MAX(began) AS last, MAX(IF(scope = 'everything', began, NULL)) AS everything
    FROM (
      SELECT run_id, MAX(scope) AS scope
      FROM {VALIDATION_RESULTS.id}
      GROUP BY run_id
      HAVING LOGICAL_AND(status = 'passed' OR severity != 'error')
    )
    JOIN (
      SELECT run_id, MAX(started_at) AS began
      FROM {STEP_RUNS.id}
      WHERE step = 'dbt' AND status = 'succeeded'
      GROUP BY run_id
    ) USING (run_id)
    WHERE run_id != @run_id
"""  # noqa: S608 - constants of contracts


@dataclass(frozen=True)
class Scope:
    """What a run's checks read: what changed after ``since``; everything without it."""

    since: datetime | None

    @staticmethod
    def of(client: bigquery.Client, run_id: str, now: datetime) -> "Scope":
        """The scope of a run: everything, if no run of the last week was validated that read everything."""
        config = bigquery.QueryJobConfig(
            query_parameters=[bigquery.ScalarQueryParameter("run_id", "STRING", run_id)]
        )
        (row,) = client.query(_VALIDATED, job_config=config).result()
        is_due = row["everything"] is None or now - row["everything"] >= _WEEK
        return Scope(None if is_due else row["last"])

    def __str__(self) -> str:
        return "changed" if self.since else "everything"

    def days(self, client: bigquery.Client, table: CheckedTable, run_date: date) -> frozenset[date] | None:
        """The days of a table that are read; None for all. Raises google.api_core's errors."""
        if self.since is None or table.changed_days is None:
            return None
        sql = table.changed_days.replace("{since}", f"TIMESTAMP '{self.since.isoformat()}'")
        changed = {row[0] for row in client.query(sql).result() if row[0] is not None}
        return frozenset(changed | {run_date - timedelta(days=back) for back in range(RECENT_DAYS + 1)})


def render(sql: str, run_date: date, days: frozenset[date] | None) -> str:
    """A check's SQL with its day and its days: literals, because BigQuery leaves out partitions by these only."""

    def condition(found: re.Match[str]) -> str:
        return "TRUE" if days is None else f"{found[1]} IN ({', '.join(map(literal, sorted(days)))})"

    return _DAYS.sub(condition, sql).replace("{run_date}", literal(run_date))
