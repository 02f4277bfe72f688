"""What a destination lacks of ``analysis.kpis``: one statement, for who sends and for who measures.

The ledger has a row when a message is about to be sent (``attempting``) and one when its answer is known. So what a
crash cut off is an attempt without an answer: the receiver may have it, as after a time-out.
"""

from datetime import UTC, datetime, timedelta

from omnipipe.contracts.tables import KPIS, REVERSE_SYNC_DELIVERIES, REVERSE_SYNC_STATE

# The name under which the ledger keeps the one receiver: not its address, which may change without a new beginning.
DESTINATION = "webhook"

# Refusals that say nothing of the message: who asks (401, 403, 407), where (404, 405), and that nobody is there any
# more (410). They never make a dead letter: one wrong secret would give up everything.
OF_THE_DESTINATION = (401, 403, 404, 405, 407, 410)

# A row may become visible after a later one was sent: this far behind the watermark is looked at again.
_LAG = timedelta(hours=1)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def since(watermark: datetime) -> datetime:
    """From when on changed rows are looked at, by the watermark's time."""
    return max(watermark - _LAG, BEGINNING)


# Parameters: @destination, and @since, before which only keys that the ledger has as unsettled are looked at.
# Columns: those of analysis.kpis, key, delivery_id (the webhook-id to send it with), refusals (runs in which that id
# was refused), dead (it was given up).
#
# An id is the hash of the content and of what the receiver had before. Without the latter, figures that go back to
# what they were would get the id of their first delivery, and a receiver would drop them as a repeat.
PENDING = f"""
    WITH attempts AS (
      SELECT
        key, content_hash, delivery_id, run_id, http_status, recorded_at,
        IF(status = 'attempting', 'unknown', status) AS outcome
      FROM {REVERSE_SYNC_DELIVERIES.id}
      WHERE destination = @destination
      -- An attempt is told by its answer. Of one moment, it comes first in the alphabet too.
      QUALIFY status != 'attempting'
        OR COALESCE(LEAD(status) OVER (PARTITION BY key ORDER BY recorded_at, status), status) = 'attempting'
    ),
    -- What the receiver has of a key, or may have.
    held AS (
      SELECT key, content_hash, delivery_id, outcome
      FROM attempts
      WHERE outcome IN ('sent', 'unknown')
      QUALIFY ROW_NUMBER() OVER (PARTITION BY key ORDER BY recorded_at DESC) = 1
    ),
    newest AS (
      SELECT key, outcome
      FROM attempts
      WHERE TRUE
      QUALIFY ROW_NUMBER() OVER (PARTITION BY key ORDER BY recorded_at DESC) = 1
    ),
    refused AS (
      SELECT
        delivery_id,
        COUNT(DISTINCT IF(
          outcome IN ('failed', 'dead') AND COALESCE(http_status, 0) NOT IN {OF_THE_DESTINATION}, run_id, NULL
        )) AS refusals,
        MAX_BY(outcome, recorded_at) = 'dead' AS dead
      FROM attempts
      WHERE outcome != 'unsent'
      GROUP BY delivery_id
    ),
    figures AS (
      SELECT *, CONCAT(city, '/', CAST(day AS STRING)) AS key
      FROM {KPIS.id}
    ),
    lacking AS (
      SELECT
        figures.*,
        IF(
          held.content_hash = figures.content_hash,
          held.delivery_id,
          TO_HEX(SHA256(ARRAY_TO_STRING(
            [@destination, figures.key, figures.content_hash, COALESCE(held.delivery_id, '')], '|'
          )))
        ) AS delivery_id
      FROM figures
      LEFT JOIN held ON held.key = figures.key
      WHERE (
          figures.updated_at >= @since
          OR figures.key IN (SELECT key FROM newest WHERE outcome != 'sent')
        )
        AND (held.key IS NULL OR held.outcome = 'unknown' OR held.content_hash != figures.content_hash)
    )
    SELECT
      lacking.*,
      COALESCE(refused.refusals, 0) AS refusals,
      COALESCE(refused.dead, FALSE) AS dead
    FROM lacking
    LEFT JOIN refused ON refused.delivery_id = lacking.delivery_id
"""  # noqa: S608 - the tables' names are constants of contracts

# Parameter: @destination.
STATE = f"""
    SELECT watermark_updated_at, watermark_key, disabled, disabled_address
    FROM {REVERSE_SYNC_STATE.id}
    WHERE destination = @destination
    ORDER BY recorded_at DESC
    LIMIT 1
"""  # noqa: S608 - the tables' names are constants of contracts
