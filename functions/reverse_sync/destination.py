"""A receiver of webhooks, spoken to as the Standard Webhooks specification has it.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from standardwebhooks.webhooks import Webhook

from omnipipe.runtime import http

_MAX_BODY_BYTES = 20_000
_SECRET_BYTES = range(24, 65)
_RETRIES, _BUDGET_S, _TIMEOUT_S = 3, 20.0, (3.0, 15.0)
# The receiver itself is in trouble when this many messages in a row, each tried several times, end so.
_GIVE_UP_AFTER = 5
_GONE = 410


@dataclass(frozen=True)
class Answer:
    """What became of one message: delivered when there is no ``error``."""

    http_status: int | None = None
    error: str | None = None


class Destination:
    """One receiver. Its methods may be called from several threads."""

    def __init__(self, url: str, secret: str, connections: int) -> None:
        """Get ready to send to ``url`` over at most ``connections`` connections, signing with ``secret``.

        Raises ValueError for a URL that is not http(s) and a secret that is not ``whsec_`` and base64 of 24 to 64
        bytes.
        """
        if not url.startswith(("https://", "http://")):
            raise ValueError("WEBHOOK_URL must begin with https:// (or http:// on a private network)")
        self._url = url
        self._signer = _signer(secret)
        self._session = http.session(
            retries=_RETRIES, budget_s=_BUDGET_S, timeout_s=_TIMEOUT_S, connections=connections
        )
        self._lock = threading.Lock()
        self._in_trouble = 0  # messages in a row
        self.stopped: str | None = None  # why nothing more is sent

    def send(self, message_id: str, body: str) -> Answer | None:
        """Send one signed message, with retries, and return the answer; None when sending has been stopped.

        Sending stops when the receiver says that it is gone (410), and after several messages in a row without any
        answer but "not now": then every other message would only wait as long for the same.
        """
        if self.stopped:
            return None
        size = len(body.encode())
        if size > _MAX_BODY_BYTES:
            return Answer(error=f"a message of {size} bytes; the most that is sent is {_MAX_BODY_BYTES}")
        signed_at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(signed_at.timestamp())),
            "webhook-signature": self._signer.sign(message_id, signed_at, body),
        }
        try:
            # A redirect is a failure: the body must not follow it to another host.
            response = self._session.post(self._url, data=body.encode(), headers=headers, allow_redirects=False)
        except requests.RequestException as error:
            return self._judged(Answer(error=f"no answer: {http.cause(error)}"))
        status = response.status_code
        return self._judged(Answer(status, None if 200 <= status < 300 else f"answered {status}"))

    def _judged(self, answer: Answer) -> Answer:
        status = answer.http_status
        with self._lock:
            not_now = status is None or status == requests.codes.too_many_requests or status >= 500
            self._in_trouble = self._in_trouble + 1 if not_now else 0
            if status == _GONE:
                self.stopped = "the receiver answered 410, gone: give another WEBHOOK_URL"
            elif self._in_trouble >= _GIVE_UP_AFTER:
                self.stopped = self.stopped or f"{_GIVE_UP_AFTER} messages in a row failed, last: {answer.error}"
        return answer


def _signer(secret: str) -> Webhook:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith("whsec_") or len(key) not in _SECRET_BYTES:
        raise ValueError("WEBHOOK_SECRET must be whsec_ and the base64 of 24 to 64 random bytes")
    return Webhook(key)
