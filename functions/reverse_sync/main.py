"""The KPIs to the outside: every row of analysis.kpis that has changed, as a signed webhook.

Delivery is at least once. The order is check, mark as attempted, send, mark the answer: a crash repeats messages, and
loses none; a message keeps its webhook-id over all retries and runs, by which a receiver drops the repeats.
"""

import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import flask
import functions_framework
from destination import Destination
from google.cloud import bigquery
from ledger import Ledger, State
from sending import Delivery, deliver

from omnipipe.runtime import audit, deliveries, function, log
from omnipipe.runtime.run import Run

log.configure("reverse_sync")

_ALL = "all"
_MAY_BE_PRIVATE = {"true": True, "false": False}


class Undelivered(RuntimeError):
    """Some messages were not delivered; the text says how many, which and why."""


class Disabled(RuntimeError):
    """The destination said that it is gone, and nobody has said otherwise."""


@functions_framework.http
def reverse_sync(request: flask.Request) -> tuple[dict[str, Any], int]:
    """Send what the destination lacks of analysis.kpis, and record each delivery.

    POST ``{"run_id": "…", "run_date": "YYYY-MM-DD"}``; see omnipipe.runtime.function. Environment:
    BIGQUERY_LOCATION, WEBHOOK_URL, WEBHOOK_SECRET, WEBHOOK_ALLOW_PRIVATE (true or false). One message that fails does
    not keep back the others, but makes the answer a 500; the next run sends it again. With an empty WEBHOOK_URL the
    step is skipped.

    POST ``{"replay": ["ID", …]}`` or ``{"replay": "all"}`` sends dead letters again, and nothing else: those whose
    figures are still what they were. It also lets a destination that had said 410 (gone) be asked again.
    """
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or "replay" not in body:
        return function.answer(body, "reverse_sync", _update)
    wanted = body["replay"]
    if wanted != _ALL and not (
        isinstance(wanted, list) and wanted and all(isinstance(each, str) for each in wanted)
    ):
        return {"error": f'replay must be "{_ALL}" or a list of ids of dead letters, not {wanted!r}'}, 400
    alone = {"run_id": f"replay-{uuid4()}", "run_date": datetime.now(UTC).date().isoformat()}
    return function.answer(
        alone, "replay", lambda client, run, step: _replay(client, run, step, None if wanted == _ALL else wanted)
    )


def _update(client: bigquery.Client, run: Run, step: audit.Step) -> None:
    if os.environ.get("WEBHOOK_URL") == "":
        step.skipped, step.message = True, "no destination"
        return
    ledger = Ledger(client, deliveries.DESTINATION, run.run_id)
    with _destination() as destination:
        state = ledger.state()
        if state.disabled and state.disabled_address == destination.address_hash:
            raise Disabled(
                f"nothing was sent: {state.disabled}. When its owner says that it takes messages again, run `omnipipe "
                'replay --all` (on Google: gcloud workflows run daily --data=\'{"replay": "all"}\'), then the day '
                "again; or set another webhookUrl"
            )
        done = deliver(ledger.pending(state.watermark), destination, ledger, state.watermark, run.run_id)
        _keep_state(ledger, state, done, destination, run)
    step.rows = done.sent
    if done.causes:
        raise Undelivered(
            f"{done.failed} messages were not delivered, {done.sent} were; " + "; ".join(done.causes)
        )
    step.message = f"{done.sent} messages sent"
    if done.dead_letters:
        step.message += f", {len(done.dead_letters)} given up: see ops.dead_letters"


def _replay(client: bigquery.Client, run: Run, step: audit.Step, wanted: list[str] | None) -> None:
    ledger = Ledger(client, deliveries.DESTINATION, run.run_id)
    with _destination() as destination:
        state = ledger.state()
        rows = [row for row in ledger.given_up(state.watermark) if wanted is None or row.delivery_id in wanted]
        done = deliver(iter(rows), destination, ledger, state.watermark, run.run_id)
        # Its rows are older than the watermark, or the next run looks at them all the same.
        done.reached = state.watermark
        _keep_state(ledger, state, done, destination, run)
    step.rows = done.sent
    causes = done.causes + [f"refused again: {each}" for each in done.dead_letters]
    if missing := sorted(set(wanted or ()) - {row.delivery_id for row in rows}):
        causes.append(
            f"not sent: {', '.join(missing)}: no dead letter of this id waits (it was delivered meanwhile, or newer "
            "figures of its key took its place, which the daily run sends)"
        )
    if causes:
        raise Undelivered(f"{done.sent} messages sent; " + "; ".join(causes))
    step.message = f"{done.sent} dead letters sent"
    if state.disabled:
        step.message += "; the destination is asked again from now on"


def _keep_state(ledger: Ledger, before: State, done: Delivery, destination: Destination, run: Run) -> None:
    """Record how far the ledger knows everything, and that the destination is gone, or is asked again."""
    if destination.gone:
        disabled = f"the receiver answered 410 (gone) in run {run.run_id} of {run.run_date}"
        ledger.advance(done.reached, disabled, destination.address_hash)
    elif done.reached > before.watermark or before.disabled:
        ledger.advance(done.reached)


def _destination() -> Destination:
    if os.environ.get("WEBHOOK_URL") == "":
        raise ValueError("there is no destination: set webhookUrl")
    private = function.environment("WEBHOOK_ALLOW_PRIVATE")
    if private not in _MAY_BE_PRIVATE:
        raise ValueError(f"WEBHOOK_ALLOW_PRIVATE is {private!r}: it must be true or false")
    return Destination(
        function.environment("WEBHOOK_URL"),
        function.environment("WEBHOOK_SECRET"),
        allow_private=_MAY_BE_PRIVATE[private],
    )
