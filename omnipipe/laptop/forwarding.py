"""An HTTP request that is passed on to another server, and its answer, as a proxy has to treat their headers."""

from collections.abc import Mapping

import requests
from flask import Response, request

# They are of one connection, not of the message (RFC 9110, 7.6.1). The body is passed on decoded, with a new length.
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}
_OF_THE_ENCODING = {"content-length", "content-encoding"}


def forward(url: str, changed: Mapping[str, str], timeout_s: float) -> Response:
    """Pass the request that is being answered on to a URL, with some of its headers changed.

    ``timeout_s`` is how long the answer may take, in seconds. Raises requests.RequestException.
    """
    headers = {key: value for key, value in request.headers if key.lower() not in _OF_THE_CONNECTION}
    with requests.Session() as session:
        session.trust_env = False  # neither a proxy of the user's nor ~/.netrc is asked about this machine
        answer = session.request(
            request.method,
            url,
            params=request.query_string,
            headers={**headers, **changed},
            data=request.get_data(),
            timeout=(5, timeout_s),
            allow_redirects=False,
        )
    dropped = _OF_THE_CONNECTION | _OF_THE_ENCODING
    return Response(
        answer.content,
        answer.status_code,
        [(key, value) for key, value in answer.headers.items() if key.lower() not in dropped],
    )
