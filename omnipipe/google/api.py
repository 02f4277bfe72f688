"""Requests to Google's APIs, with the credentials that Google's own clients find on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import google.auth
import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession

from omnipipe.laptop.errors import LaptopError

LOGIN = "gcloud auth application-default login"
# Addresses of Google's APIs by the first part of their hosts' names.
ENDPOINT = "https://{host}.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_CONNECTED_S = 3


class NoAnswer(LaptopError):
    """An API does not answer: no network, or credentials that have ended."""


class Refused(LaptopError):
    """An API has said no: ``host`` of it, the HTTP ``status``, and Google's ``words``."""

    def __init__(self, host: str, status: int, words: str, *, disabled: bool) -> None:
        super().__init__(f"{host}.googleapis.com says {status}: {words}")
        self.host, self.status, self.words = host, status, words
        self.disabled = disabled  # the API itself is not enabled


def credentials() -> Credentials | None:
    """The credentials that Google's clients, and so Pulumi, find on this machine; None without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a login without a project for its quota, which is a check of its own
        try:
            return google.auth.default(scopes=_SCOPES)[0]
        except DefaultCredentialsError:
            return None


class Api:
    """Google's APIs over HTTP. ``answered_s`` is how long one may take to answer, in seconds."""

    def __init__(self, given: Credentials, endpoint: str = ENDPOINT, *, answered_s: float = 30) -> None:
        self._endpoint, self._timeouts = endpoint, (_CONNECTED_S, answered_s)
        self._session = AuthorizedSession(given)

    def get(self, host: str, path: str, **query: Any) -> dict[str, Any] | None:
        """What is at an address of an API, such as ``run`` and ``v2/projects/…``; None for nothing.

        Raises Refused for another refusal, and NoAnswer.
        """
        try:
            return self._call(host, path, query)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def post(self, host: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What an API answers to a body. Raises Refused and NoAnswer; it is not asked again by itself."""
        return self._call(host, path, {}, body)

    def list(self, host: str, path: str, key: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All that a list has under ``key``, page by page. Raises Refused and NoAnswer."""
        while True:
            page = self._call(host, path, query)
            yield from page.get(key, ())
            if not (token := page.get("nextPageToken")):
                return
            query["pageToken"] = token

    def _call(
        self, host: str, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        address = f"{self._endpoint.format(host=host)}/{path}"
        try:
            if body is None:
                answer = self._session.get(address, params=query, timeout=self._timeouts)
            else:
                answer = self._session.post(address, json=body, timeout=self._timeouts)
        except (requests.RequestException, GoogleAuthError) as error:
            raise NoAnswer(f"{host}.googleapis.com does not answer: {error}") from error
        if answer.ok:
            return answer.json() if answer.content else {}
        words = _words(answer)
        disabled = "SERVICE_DISABLED" in answer.text or "has not been used in project" in words
        raise Refused(host, answer.status_code, words, disabled=disabled)


def _words(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason
