"""HTTP with retries that end: backoff with jitter, Retry-After, a timeout on each request, a budget for all."""

import time
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry

# Worth another try: throttled, or the server's own trouble.
_TRANSIENT = frozenset({429, 500, 502, 503, 504})


class _BoundedRetry(Retry):
    """urllib3's Retry, which gives up when the next wait would end after the budget.

    urllib3 alone sleeps for as long as a Retry-After header says; waiting less than it says would not honour it.
    """

    def __init__(self, *args: Any, budget_s: float, deadline: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._budget_s = budget_s
        self._deadline = deadline  # of one request; set by its first failure

    def new(self, **changes: Any) -> Self:
        return super().new(budget_s=self._budget_s, deadline=self._deadline, **changes)

    def increment(
        self, method: Any = None, url: Any = None, response: Any = None, error: Any = None, *rest: Any, **more: Any
    ) -> Self:
        following = super().increment(method, url, response, error, *rest, **more)
        now = time.monotonic()
        following._deadline = self._deadline or now + self._budget_s
        asked = self.get_retry_after(response) if response is not None else None
        if now + (asked or following.get_backoff_time()) > following._deadline:
            reason = error or ResponseError("the retries' time is used up")
            raise MaxRetryError(more.get("_pool"), url, reason) from error  # type: ignore[arg-type]  # as urllib3 does
        return following


class _Adapter(HTTPAdapter):
    """An adapter whose requests have a timeout, which requests itself leaves out by default."""

    def __init__(self, timeout: tuple[float, float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._timeout = timeout

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        return super().send(request, *args, **kwargs)


def session(
    *, retries: int = 3, budget_s: float = 20.0, timeout_s: tuple[float, float] = (3.0, 15.0)
) -> requests.Session:
    """Return a session that repeats a request, of any method, on 429, 5xx, timeouts and refused connections.

    ``timeout_s`` is for connecting and for each wait on the answer. No retry begins later than ``budget_s``
    seconds after the first failure: a Retry-After beyond that ends the request at once. When the retries are used
    up, the last answer is returned, or the last error raised (a ``requests.RequestException``).
    """
    retry = _BoundedRetry(
        total=retries,
        status_forcelist=_TRANSIENT,
        allowed_methods=None,
        backoff_factor=0.5,
        backoff_jitter=0.5,
        raise_on_status=False,
        budget_s=budget_s,
    )
    adapter = _Adapter(timeout_s, max_retries=retry)
    created = requests.Session()
    created.mount("http://", adapter)
    created.mount("https://", adapter)
    return created


def cause(error: requests.RequestException) -> str:
    """Say why a request had no answer ("Read timed out", "Connection refused"), without the errors around it."""
    reason: Any = error
    while reason.args and isinstance(inner := getattr(reason.args[0], "reason", reason.args[0]), Exception):
        reason = inner
    # urllib3 begins with the object in which it happened: "HTTPConnectionPool(host=…, port=…): Read timed out."
    return str(reason).rpartition("): ")[2] or type(reason).__name__
