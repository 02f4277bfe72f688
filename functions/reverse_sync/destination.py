"""A receiver of webhooks, spoken to as the Standard Webhooks specification has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hashlib
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal, Self

from exchange import AddressRefused, Connection, NoAnswer, NotSent, Reply
from standardwebhooks.webhooks import Webhook

from omnipipe.runtime.deliveries import OF_THE_DESTINATION

_MAX_BODY_BYTES = 20_000
_SECRET_BYTES = range(24, 65)
_TRIES = 4
# The pause after a try that failed, doubled each time, with jitter of as much again.
_PAUSE_S = 0.5
# No try begins later than this after a message's first failure; a longer Retry-After ends the run's sending.
_BUDGET_S = 20.0
# The receiver itself is in trouble when this many messages in a row, each tried several times, end so.
_GIVE_UP_AFTER = 5
# The function is ended after 540 s: by then the last message's tries (60 s at most) are to be over and recorded.
_SENDING_S = 420.0
_QUOTED_CHARACTERS = 300
# 4xx that refuse nothing: try again later.
_NOT_NOW = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)

Outcome = Literal["sent", "failed", "dead", "unknown", "unsent"]


@dataclass(frozen=True)
class Answer:
    """What became of one message.

    ``failed`` is a clear refusal, ``unknown`` anything but a clear answer: the receiver may have the message.
    ``unsent`` did not leave; without an ``error``, because sending had stopped.
    """

    outcome: Outcome
    http_status: int | None = None
    error: str | None = None

    @property
    def refuses_the_message(self) -> bool:
        """Whether the message itself is refused, and not who sends it or where to."""
        return self.outcome == "failed" and self.http_status not in OF_THE_DESTINATION


@dataclass(frozen=True)
class _Try:
    """One try at a message: whether another may end otherwise, and the pause that the receiver asks for, in seconds."""

    answer: Answer
    again: bool = False
    pause_s: float | None = None


class Destination:
    """One receiver. ``send`` may be called from several threads."""

    def __init__(self, url: str, secret: str, *, allow_private: bool) -> None:
        """Get ready to send to ``url``, signing with each key of ``secret``: there are two while one is replaced.

        ``allow_private`` takes an address that is not of the public internet. Raises ValueError for a URL that is
        not http(s) and a key that is not ``whsec_`` and base64 of 24 to 64 bytes.
        """
        self._url, self._allow_private = url, allow_private
        try:
            Connection(url, allow_private=allow_private)
        except ValueError as error:
            raise ValueError(f"WEBHOOK_URL cannot be asked: {error}") from None
        self._signers = [_signer(key) for key in secret.split(" ")]
        self._of_thread = threading.local()
        self._connections: list[Connection] = []
        self._lock = threading.Lock()
        self._in_trouble = 0  # messages in a row
        self._open_at = 0.0  # when the receiver takes messages again, by the monotonic clock
        self._ends = time.monotonic() + _SENDING_S
        self._stop = threading.Event()
        self.stopped: str | None = None  # why nothing more is sent
        self.gone = False  # it answered 410: only a person lets it be asked again

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()

    @property
    def address_hash(self) -> str:
        """SHA-256 of the address, which may hold a secret."""
        return hashlib.sha256(self._url.encode()).hexdigest()

    def send(self, message_id: str, body: str) -> Answer:
        """Send one signed message, with retries, and return what became of it.

        Sending stops when the receiver says that it is gone (410), asks for a long pause, or leads into a private
        network, and after several messages in a row without any answer but "not now": then every other message would
        only wait as long for the same. A pause that the receiver asks for is one of all messages.
        """
        size = len(body.encode())
        if size > _MAX_BODY_BYTES:
            return Answer("failed", error=f"a message of {size} bytes; the most that is sent is {_MAX_BODY_BYTES}")
        answer, deadline, resumes = None, None, 0.0
        for number in range(_TRIES):
            if not self._wait(resumes, deadline):
                break
            tried = self._try(message_id, body)
            # Once the receiver may have it, a refusal of a repeat does not say that it has not.
            unclear = answer is not None and answer.outcome == "unknown" and tried.answer.outcome != "sent"
            answer = Answer("unknown", tried.answer.http_status, tried.answer.error) if unclear else tried.answer
            if not tried.again:
                break
            now = time.monotonic()
            deadline = deadline or now + _BUDGET_S
            if tried.pause_s is None:
                resumes = now + _PAUSE_S * 2**number * random.uniform(1, 2)  # noqa: S311 - jitter is no secret
            else:
                self._pause(tried.pause_s)
        if answer is None:
            return Answer("unsent")
        self._judge(answer)
        return answer

    def _wait(self, resumes: float, deadline: float | None) -> bool:
        """Wait until ``resumes``, and as long as the receiver has asked for; False when there is no more trying."""
        while True:
            until = max(resumes, self._open_at)
            if deadline is not None and until > deadline:
                return False
            left = until - time.monotonic()
            if until > self._ends or time.monotonic() > self._ends:
                self._end(f"the {_SENDING_S:g} s of one run are used up, the next one goes on")
            if self.stopped:
                return False
            if left <= 0:
                return True
            self._stop.wait(left)

    def _pause(self, seconds: float) -> None:
        """Let every message wait, as the receiver asks."""
        if seconds > _BUDGET_S:
            self._end(f"the receiver asks for a pause of {seconds:.0f} s")
        with self._lock:
            self._open_at = max(self._open_at, time.monotonic() + seconds)

    def _try(self, message_id: str, body: str) -> _Try:
        signed_at = datetime.now(UTC)
        headers = {
            "accept-encoding": "identity",  # the answer is read by a person
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#webhook-headers-sending-metadata-to-consumers
            "webhook-signature": " ".join(each.sign(message_id, signed_at, body) for each in self._signers),
        }
        try:
            reply = self._connection().post(body.encode(), headers)
        except AddressRefused as error:
            reason = f"{error}: another webhookUrl, or the stack's setting webhookAllowPrivate"
            self._end(reason)
            return _Try(Answer("unsent", error=reason))
        except NotSent as error:
            return _Try(Answer("unsent", error=str(error)), again=True)
        except NoAnswer as error:
            return _Try(Answer("unknown", error=f"no answer: {error}"), again=True)
        return _judged(reply)

    def _connection(self) -> Connection:
        if not hasattr(self._of_thread, "connection"):
            self._of_thread.connection = Connection(self._url, allow_private=self._allow_private)
            with self._lock:
                self._connections.append(self._of_thread.connection)
        return self._of_thread.connection

    def _judge(self, answer: Answer) -> None:
        """Stop when the answers say that the next message would get the same."""
        if answer.http_status == HTTPStatus.GONE:
            self.gone = True
            self._end("the receiver answered 410, gone")
        with self._lock:
            well = answer.outcome == "sent" or answer.refuses_the_message
            self._in_trouble = 0 if well else self._in_trouble + 1
            in_trouble = self._in_trouble >= _GIVE_UP_AFTER
        if in_trouble:
            self._end(f"{_GIVE_UP_AFTER} messages in a row failed, last: {answer.error}")

    def _end(self, reason: str) -> None:
        with self._lock:
            self.stopped = self.stopped or reason
        self._stop.set()


def _judged(reply: Reply) -> _Try:
    status = reply.status
    if status in range(200, 300):
        return _Try(Answer("sent", status))
    quoted = " ".join(reply.text.split())[:_QUOTED_CHARACTERS]
    error = f"answered {status}" + (f": {quoted}" if quoted else "")
    if status in range(400, 500) and status not in _NOT_NOW:
        return _Try(Answer("failed", status, error))
    # A redirect is not followed: the body must not go to another host. Who knows what became of it here?
    again = status >= 500 or status in _NOT_NOW
    return _Try(Answer("unknown", status, error), again, _seconds(reply.retry_after))


def _seconds(retry_after: str | None) -> float | None:
    """The pause that the header asks for, in seconds or until a date; None when there is none that can be read."""
    if retry_after is None:
        return None
    with suppress(ValueError, OverflowError):
        return max(0.0, float(int(retry_after)))
    with suppress(ValueError):
        until = parsedate_to_datetime(retry_after)
        return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    return None


def _signer(text: str) -> Webhook:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not text.startswith("whsec_") or len(key) not in _SECRET_BYTES:
        raise ValueError("WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 random bytes")
    return Webhook(key)
