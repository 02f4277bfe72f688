"""HTTP as `http.*` and the connectors do it: authentication, limits, decoding, errors."""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from omnipipe.laptop.services.workflows.interpreter.errors import WorkflowError, failure
from omnipipe.laptop.services.workflows.interpreter.values import a_type, is_number, jsonable, scalar_text

if TYPE_CHECKING:
    import requests
    from urllib3.exceptions import HTTPError

    from omnipipe.laptop.services.workflows.interpreter.environment import Environment

MAX_RESPONSE = 2 * 1024 * 1024
"""Largest HTTP response, in bytes (https://cloud.google.com/workflows/quotas)."""
DEFAULT_TIMEOUT = 300
MAX_TIMEOUT = 1800
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


def send(
    environment: Environment,
    method: str,
    url: str,
    *,
    timeout: Any = None,
    body: Any = None,
    headers: Any = None,
    query: Any = None,
    auth: Any = None,
) -> dict[str, Any]:
    """Send one request and return the response as a map of `body`, `code` and `headers`.

    timeout: seconds for the whole exchange (default 300, at most 1800).

    Raises: HttpError for a status of 400 or more, ConnectionFailedError, ConnectionError,
    TimeoutError, AuthError, ResourceLimitError for a response over 2 MB, ResponseTypeError for a
    body that is not the JSON it claims to be, TypeError and ValueError for wrong arguments.
    """
    if type(url) is not str or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise failure("ValueError", f"the URL must start with http:// or https://, not {url!r}")
    seconds = _seconds(timeout)
    sent = _headers(headers)
    data = _encode(body, sent)
    pairs = list(_query(query))
    token = _token(environment, auth, url)
    code, received, content = _exchange(environment.route(url), method, sent, pairs, data, token, seconds)
    response = {"body": decode(content, received), "code": code, "headers": received}
    if code >= 400:
        error = failure("HttpError", f"HTTP server responded with error code {code}")
        error.error.update(message=f"HTTP server responded with error code {code}", **response)
        raise error
    return response


def _seconds(timeout: Any) -> float:
    if timeout is None:
        return DEFAULT_TIMEOUT
    if not is_number(timeout):
        raise failure("TypeError", f"timeout is a number of seconds, not {a_type(timeout)}")
    if not 0 < timeout <= MAX_TIMEOUT:
        raise failure("ValueError", f"timeout must be over 0 and at most {MAX_TIMEOUT} seconds")
    return timeout


def _headers(headers: Any) -> dict[str, str]:
    if headers is None:
        return {}
    if type(headers) is not dict or not all(type(value) is str for value in headers.values()):
        raise failure("TypeError", "headers must be a map of strings")
    return dict(headers)


def _encode(body: Any, headers: dict[str, str]) -> bytes | None:
    """Encode the body as its Content-Type says, and set that header where there is none."""
    if body is None:
        return None
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    kind = (content_type or "").split(";")[0].strip().lower()
    if type(body) is bytes:
        if content_type is None:
            headers["Content-Type"] = "application/octet-stream"
        return body
    if kind == "application/x-www-form-urlencoded" and type(body) is dict:
        return urlencode([(key, _scalar(value)) for key, value in body.items()]).encode()
    if type(body) is str and kind and not _is_json(kind):
        return body.encode()
    if content_type is None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return json.dumps(jsonable(body, "the body"), ensure_ascii=False).encode()


def _scalar(value: Any) -> str:
    text = scalar_text(value)
    if text is None:
        raise failure("TypeError", f"a query value is a string, number or boolean, not {a_type(value)}")
    return text


def _query(query: Any) -> Iterator[tuple[str, str]]:
    if query is None:
        return
    if type(query) is not dict:
        raise failure("TypeError", f"query must be a map, not {a_type(query)}")
    for name, value in query.items():
        for item in value if type(value) is list else [value]:
            yield name, _scalar(item)


def _token(environment: Environment, auth: Any, url: str) -> str | None:
    """Ask for the bearer token that `auth` describes; the audience is the URL unless `auth` says otherwise."""
    if auth is None:
        return None
    if type(auth) is not dict or auth.get("type") not in ("OIDC", "OAuth2"):
        raise failure("ValueError", "auth must be a map with type OIDC or OAuth2")
    if auth["type"] == "OIDC":
        target = auth.get("audience", url)
    else:
        scopes = auth.get("scopes", auth.get("scope", CLOUD_PLATFORM))
        target = " ".join(scopes) if type(scopes) is list else scopes
    if environment.token is None:
        if urlsplit(url).netloc in environment.endpoints:
            return None
        raise failure("AuthError", f"cannot get a token: there are no credentials for {target}")
    try:
        return environment.token(auth["type"], target)
    except Exception as error:  # noqa: BLE001 - the caller's function may fail in any way; AuthError is its name here
        raise failure("AuthError", f"cannot get a token: {error}") from None


def _exchange(
    url: str,
    method: str,
    headers: dict[str, str],
    query: list[tuple[str, str]],
    data: bytes | None,
    token: str | None,
    seconds: float,
) -> tuple[int, dict[str, str], bytes]:
    # imported here, and so at the first request: it takes a tenth of a second
    import requests
    from urllib3.exceptions import HTTPError

    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        # as an auth function, because a header alone would lose to the user's ~/.netrc
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return request

    deadline = time.monotonic() + seconds
    with requests.Session() as session:
        session.trust_env = not _is_loopback(url)  # a proxy of the user's must not get local requests
        try:
            response = session.request(
                method, url, headers=headers, params=query, data=data, auth=authorize, timeout=seconds, stream=True
            )
            names = {
                "-".join(map(str.capitalize, name.split("-"))): value for name, value in response.headers.items()
            }
            return response.status_code, names, _read(response, deadline, seconds)
        except (requests.RequestException, HTTPError) as error:  # the latter in the middle of the body
            raise _connection_error(error, seconds) from None


def _read(response: requests.Response, deadline: float, seconds: float) -> bytes:
    content = bytearray()
    # what has arrived, and not a whole chunk of it, so that the time is looked at between two bytes of a slow answer
    while chunk := response.raw.read1(64 * 1024, decode_content=True):
        content += chunk
        if len(content) > MAX_RESPONSE:
            raise failure("ResourceLimitError", f"the HTTP response is over the limit of {MAX_RESPONSE} bytes")
        if time.monotonic() > deadline:
            raise failure("TimeoutError", f"the HTTP request took over {seconds} s")
    return bytes(content)


def _connection_error(error: requests.RequestException | HTTPError, seconds: float) -> WorkflowError:
    import requests
    from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

    if isinstance(error, (requests.Timeout, ReadTimeoutError)):
        return failure("TimeoutError", f"the HTTP request took over {seconds} s")
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader)):
        return failure("ValueError", str(error))
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    if isinstance(reason, (NewConnectionError, NameResolutionError)) or isinstance(
        error, requests.exceptions.SSLError
    ):
        return failure("ConnectionFailedError", str(reason))
    return failure("ConnectionError", str(reason))


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def decode(content: bytes, headers: Mapping[str, str]) -> Any:
    """A body as its Content-Type says: JSON, text, or else bytes. Raises: ResponseTypeError."""
    kind, _, parameters = headers.get("Content-Type", "text/plain").partition(";")
    kind = kind.strip().lower()
    if _is_json(kind):
        if not content:
            return None
        try:
            return json.loads(content)
        except ValueError as error:
            raise failure("ResponseTypeError", f"the body is not the {kind} it claims to be: {error}") from None
    if kind.startswith("text/") or kind in ("application/xml", "application/x-www-form-urlencoded"):
        charset = parameters.partition("charset=")[2].strip(' "') or "utf-8"
        try:
            return content.decode(charset)
        except (LookupError, UnicodeDecodeError):
            return content
    return content
