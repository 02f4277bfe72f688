"""Rows on their way: recorded as attempted, sent, recorded with their answers, and given up after so many refusals."""

import itertools
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from destination import Answer, Destination
from ledger import Ledger, Pending, Watermark

PARALLEL = 8
# So many messages are recorded at once, before and after they are sent: what a crash repeats at most.
_BATCH = 100
# A message that was clearly refused in so many runs becomes a dead letter. With a run a day that is a working week, in
# which each run fails and says so: time for somebody to mend the row or the receiver before it is given up.
GIVE_UP_AFTER_RUNS = 5
_NAMED_FAILURES = 5

_log = logging.getLogger(__name__)


@dataclass
class Delivery:
    """What became of the rows that were sent: how many, which failed and why, and how far all were tried."""

    reached: Watermark
    sent: int = 0
    failed: int = 0
    dead_letters: list[str] = field(default_factory=list)  # which, and why
    causes: list[str] = field(default_factory=list)

    def count(self, row: Pending, answer: Answer) -> None:
        """Take in the answer to a row."""
        if answer.outcome == "sent":
            self.sent += 1
        elif answer.outcome == "dead":
            self.dead_letters.append(f"{row.key}: {answer.error}")
        elif answer.error:
            self.failed += 1
            if self.failed <= _NAMED_FAILURES:
                self.causes.append(f"{row.key}: {answer.error}")


def deliver(
    rows: Iterator[Pending], destination: Destination, ledger: Ledger, begin: Watermark, run_id: str
) -> Delivery:
    """Send rows until there are no more or the destination stops, each batch recorded before and after.

    One row that fails does not keep back the others, nor the watermark: the ledger knows it as not settled.
    """
    done = Delivery(begin)
    with ThreadPoolExecutor(PARALLEL) as pool:
        while not destination.stopped and (batch := list(itertools.islice(rows, _BATCH))):
            ledger.attempt(batch)
            answers = list(pool.map(lambda row: destination.send(row.delivery_id, row.body()), batch))
            judged = [(row, _given_up(row, answer)) for row, answer in zip(batch, answers, strict=True)]
            _bury(ledger, [(row, answer) for row, answer in judged if answer.outcome == "dead"], run_id)
            ledger.record(judged)
            for row, answer in judged:
                done.count(row, answer)
            done.reached = max(done.reached, batch[-1].watermark)
    if destination.stopped:
        done.causes.append(f"nothing more was sent: {destination.stopped}")
    return done


def _given_up(row: Pending, answer: Answer) -> Answer:
    """The answer, as the last one when the row was refused often enough."""
    if answer.refuses_the_message and row.refusals + 1 >= GIVE_UP_AFTER_RUNS:
        return replace(answer, outcome="dead")
    return answer


def _bury(ledger: Ledger, given_up: list[tuple[Pending, Answer]], run_id: str) -> None:
    letters = []
    for row, answer in given_up:
        reason = (
            f"Refused in {row.refusals + 1} runs, last: {answer.error}. Mend the receiver, then send it again: "
            f"`omnipipe replay {row.delivery_id}`, or on Google "
            f'`gcloud workflows run daily --data=\'{{"replay": ["{row.delivery_id}"]}}\'`. Figures of the key that '
            "change are sent anew by themselves."
        )
        _log.warning("dead letter %s, %s: %s", row.delivery_id, row.key, answer.error, extra={"run_id": run_id})
        letters.append((row, answer, reason))
    if letters:
        ledger.bury(letters)
