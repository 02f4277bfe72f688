"""Datastream's API, as far as it is asked here: which tables of a stream are being backfilled.

https://cloud.google.com/datastream/docs/reference/rest/v1/projects.locations.streams.objects/list. Plain HTTP: the
client library would bring gRPC for one request.
"""

import os
from collections.abc import Iterator
from typing import Any

import google.auth
import requests
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from omnipipe.runtime import http
from omnipipe.runtime.job import StepFailed

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
# As the names of the variables by which Google's own clients are told of an emulator.
_ADDRESS = os.environ.get("DATASTREAM_EMULATOR_HOST", "https://datastream.googleapis.com")
_UNFINISHED = ("PENDING", "ACTIVE")


def backfilling(stream: str) -> list[str]:
    """The tables whose backfill has not ended, as ``schema.table``; ``stream`` is ``projects/…/streams/NAME``.

    Raises StepFailed with Datastream's words when it does not say.
    """
    return sorted(
        _table(found) for found in _objects(stream) if found.get("backfillJob", {}).get("state", "") in _UNFINISHED
    )


def _objects(stream: str) -> Iterator[dict[str, Any]]:
    page = ""
    with http.session() as session:
        try:
            credentials, _ = google.auth.default(scopes=[_SCOPE])
            credentials.refresh(Request())
            session.headers["Authorization"] = f"Bearer {credentials.token}"
            while True:
                answer = session.get(
                    f"{_ADDRESS}/v1/{stream}/objects", params={"pageSize": 1000, "pageToken": page}
                )
                if not answer.ok:
                    raise StepFailed(f"Datastream does not list the tables of {stream}: {_words(answer)}")
                body = answer.json()
                yield from body.get("streamObjects", [])
                page = body.get("nextPageToken", "")
                if not page:
                    return
        except requests.RequestException as error:
            raise StepFailed(f"Datastream does not answer: {http.cause(error)}") from error
        except GoogleAuthError as error:
            raise StepFailed(f"Google gives no access token to ask Datastream with: {error}") from error


def _table(found: dict[str, Any]) -> str:
    identifier = found["sourceObject"]["postgresqlIdentifier"]
    return f"{identifier['schema']}.{identifier['table']}"


def _words(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code} {answer.reason}"
