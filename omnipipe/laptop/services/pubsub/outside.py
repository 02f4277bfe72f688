"""The services that subscriptions write to, and who asks them: Pub/Sub's own account, or one that a setting names."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.iam.bindings import PUBSUB_AGENT
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM, TOKEN_LIFETIME_S
from omnipipe.laptop.services.storage.resources import BUCKET

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

_TIMEOUT_S = 60.0
_RENEW_S = 300.0


class Outside:
    """The way to BigQuery, to Cloud Storage and to push endpoints. Every method may be called from any thread."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._own = threading.local()
        self._held: dict[str, tuple[str, float]] = {}

    def bigquery(self, method: str, path: str, account: str, body: Any = None) -> requests.Response:
        """One call of BigQuery's API, as an account. Raises requests.RequestException when there is no answer."""
        url = f"{self._cloud.bigquery_url}/bigquery/v2/{path}"
        return self._session().request(
            method, url, json=body, headers=self._authorized(account), timeout=_TIMEOUT_S
        )

    def upload(self, bucket: str, name: str, content: bytes, kind: str, account: str) -> requests.Response:
        """Write an object, as an account. Raises requests.RequestException when there is no answer."""
        url = f"{self._cloud.google}/upload/storage/v1/b/{bucket}/o"
        headers = {**self._authorized(account), "Content-Type": kind}
        query = {"uploadType": "media", "name": name}
        return self._session().post(url, params=query, data=content, headers=headers, timeout=_TIMEOUT_S)

    def has_bucket(self, bucket: str) -> bool:
        """Whether the program has a bucket."""
        self._cloud.registry.refresh()
        return bucket in (each.inputs["name"] for each in self._cloud.registry.of_type(BUCKET))

    def post(self, url: str, body: bytes, headers: dict[str, str], timeout_s: float) -> int:
        """Send something to an endpoint; HTTP's status. Raises requests.RequestException when there is no answer."""
        answer = self._session().post(url, data=body, headers=headers, timeout=timeout_s, allow_redirects=False)
        return answer.status_code

    def identity_token(self, account: str, audience: str) -> str:
        """A token by which an account shows an endpoint who it is."""
        return self._token(account, audience)

    def _authorized(self, account: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token(account or PUBSUB_AGENT, CLOUD_PLATFORM)}"}

    def _token(self, account: str, audience: str) -> str:
        """A token, the same one again until five minutes before its end."""
        key = f"{account} {audience}"
        token, ends = self._held.get(key, ("", 0.0))
        if ends - time.time() < _RENEW_S:
            token, ends = self._cloud.tokens.issue(account, audience), time.time() + TOKEN_LIFETIME_S
            self._held[key] = token, ends
        return token

    def _session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.trust_env = False  # neither a proxy nor ~/.netrc has a say in it
        return self._own.session
