"""The KPIs to the outside: every row of analysis.kpis that has changed, as a signed webhook.

Delivery is at least once. The order is check, send, then mark, so a crash repeats messages, and loses none; a message
keeps its webhook-id over all retries and runs, by which a receiver drops the repeats.
"""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import functions_framework
from destination import Destination
from google.cloud import bigquery
from ledger import Ledger, Pending

from omnipipe.runtime import audit, function, log, warehouse
from omnipipe.runtime.run import Run

log.configure("reverse_sync")

# The name under which the ledger keeps the one receiver: not its address, which may change without a new beginning.
_DESTINATION = "webhook"
_PARALLEL = 8
# So many messages are sent before they are marked: what a crash repeats at most.
_BATCH = 100
_NAMED_FAILURES = 5


class Undelivered(RuntimeError):
    """Some messages were not delivered; the text says how many, which and why."""


@functions_framework.http
def reverse_sync(request: flask.Request) -> tuple[dict[str, Any], int]:
    """Send what the destination lacks of analysis.kpis, and record each delivery.

    POST ``{"run_id": "…", "run_date": "YYYY-MM-DD"}``; see omnipipe.runtime.function. Environment:
    BIGQUERY_LOCATION, WEBHOOK_URL, WEBHOOK_SECRET. One message that fails does not keep back the others, but makes
    the answer a 500; the next run sends it again.
    """
    return function.answer(request.get_json(silent=True), "reverse_sync", _update)


def _update(client: bigquery.Client, run: Run, step: audit.Step) -> None:
    destination = Destination(
        function.environment("WEBHOOK_URL"), function.environment("WEBHOOK_SECRET"), _PARALLEL
    )
    ledger = Ledger(client, _DESTINATION, run.run_id)
    begin = reached = ledger.watermark()
    complete = True  # nothing has failed so far, so the watermark may still move
    step.rows, failed, causes = 0, 0, []
    pending = ledger.pending(begin)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        while not destination.stopped and (batch := list(itertools.islice(pending, _BATCH))):
            answers = list(pool.map(lambda row: destination.send(row.delivery_id, _message(row)), batch))
            ledger.record((row, answer) for row, answer in zip(batch, answers, strict=True) if answer)
            for row, answer in zip(batch, answers, strict=True):
                delivered = answer is not None and answer.error is None
                complete = complete and delivered
                step.rows += delivered
                if complete:
                    reached = max(reached, row.watermark)
                elif answer and answer.error:
                    failed += 1
                    causes += [f"{row.key}: {answer.error}"] if failed <= _NAMED_FAILURES else []
    if reached > begin:
        ledger.advance(reached)
    if destination.stopped:
        causes.append(f"nothing more was sent: {destination.stopped}")
    if causes:
        raise Undelivered(f"{failed} messages were not delivered, {step.rows} were; " + "; ".join(causes))
    step.message = f"{step.rows} messages sent"


def _message(row: Pending) -> str:
    """Return the body of a row's message; the same for each try, so the time is that of the change."""
    # Money as text with its cents: a NUMERIC comes back with as many zeros as the server likes.
    data = warehouse.as_json(row.kpi) | {"revenue": f"{row.kpi.revenue:.2f}"}
    return json.dumps({"type": "kpi.updated", "timestamp": data["updated_at"], "data": data})
