"""What Google says of a stack's project, asked by requests that only read, with the credentials of who deploys."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import google.auth
import google.oauth2.credentials
import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.transport.requests import AuthorizedSession, Request

from omnipipe.setup.checks import Check, Missing
from stacks.foundation import BASE_APIS, CUSTOM_ROLE, Foundation, pool

LOGIN = "gcloud auth application-default login"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_CONNECTED_S, _ANSWERED_S = 3, 8
# Addresses of Google's APIs by the first part of their hosts' names.
ENDPOINT = "https://{host}.googleapis.com"


def credentials() -> Credentials | None:
    """The credentials that Google's clients, and so Pulumi, find on this machine; None without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a login without a project for its quota, which is a check of its own
        try:
            return google.auth.default(scopes=_SCOPES)[0]
        except DefaultCredentialsError:
            return None


class Google:
    """A stack's project, as Google knows it."""

    def __init__(self, given: Credentials, foundation: Foundation, endpoint: str = ENDPOINT) -> None:
        self._credentials, self._foundation, self._endpoint = given, foundation, endpoint
        self._session = AuthorizedSession(given)
        self._project = foundation.project

    @property
    def login(self) -> Check:
        """Whether Google takes the credentials: without, the others have no answer."""
        return Check("credentials", self._login)

    def checks(self) -> list[Check]:
        """The others; each asks for itself, so that they can be made at once."""
        return [
            Check("quota project", self._quota_project),
            Check("project", self._is_there),
            Check("billing", self._billing),
            Check("APIs", self._apis),
            Check("state", self._state),
            Check("key", self._key),
            Check("names", self._names),
        ]

    def _login(self) -> str:
        try:
            if not self._credentials.valid:
                self._credentials.refresh(partial(Request(), timeout=_ANSWERED_S))
        except GoogleAuthError as error:
            raise Missing(f"Google refuses them: {error}", LOGIN) from error
        return getattr(self._credentials, "service_account_email", None) or "a person's login"

    def _quota_project(self) -> str:
        """A service account's requests are counted for its own project, a person's for none unless one is said:
        https://cloud.google.com/docs/quotas/set-quota-project
        """
        if not isinstance(self._credentials, google.oauth2.credentials.Credentials):
            return "an account has its own"
        if not self._credentials.quota_project_id:
            raise Missing(
                "no project is said that a person's requests are counted for",
                f"gcloud auth application-default set-quota-project {self._project}",
            )
        return self._credentials.quota_project_id

    def _is_there(self) -> str:
        said = self._get("cloudresourcemanager", f"v1/projects/{self._project}")
        if said is None or said["lifecycleState"] != "ACTIVE":
            state = f"{self._project} is being deleted" if said else f"there is no project {self._project}"
            raise Missing(state, f"gcloud projects create {self._project}, or another in gcp:project")
        return f"{self._project}, number {said['projectNumber']}"

    def _billing(self) -> str:
        said = self._get("cloudbilling", f"v1/projects/{self._project}/billingInfo") or {}
        if not said.get("billingEnabled"):
            raise Missing(
                f"{self._project} has no billing account",
                f"gcloud billing projects link {self._project} --billing-account=ACCOUNT",
            )
        return said["billingAccountName"]

    def _apis(self) -> str:
        names = [f"projects/{self._project}/services/{api}.googleapis.com" for api in BASE_APIS]
        said = self._get("serviceusage", f"v1/projects/{self._project}/services:batchGet", names=names) or {}
        off = [each["config"]["name"] for each in said.get("services", ()) if each["state"] != "ENABLED"]
        if off:
            raise Missing(
                f"not enabled: {', '.join(off)}",
                f"gcloud services enable {' '.join(off)} --project={self._project}",
            )
        return f"the {len(names)} that come first are enabled; pulumi up enables the others"

    def _state(self) -> str:
        said = self._get("storage", f"storage/v1/b/{self._foundation.bucket}")
        if said is None:
            raise Missing(f"there is no {self._foundation.backend}", self._bootstrap)
        if not said.get("versioning", {}).get("enabled"):
            raise Missing(f"{self._foundation.backend} keeps no former versions", self._bootstrap)
        return self._foundation.backend

    def _key(self) -> str:
        said = self._get("cloudkms", f"v1/{self._foundation.key}")
        if said is None:
            raise Missing(f"there is no key {self._foundation.key}", self._bootstrap)
        if said.get("primary", {}).get("state") != "ENABLED":
            restore = f"gcloud kms keys versions list --key={self._foundation.key}"
            raise Missing(f"{self._foundation.key} has no version that encrypts", restore)
        return self._foundation.key

    @property
    def _bootstrap(self) -> str:
        stack = self._foundation.stack
        return f"omnipipe bootstrap --project {self._project} --repo OWNER/NAME --stack {stack} --apply"

    def _names(self) -> str:
        """Google keeps the names of what was deleted: a pool's and a provider's for 30 days, a role's for 37:
        https://cloud.google.com/iam/docs/manage-workload-identity-pools-providers#delete-pool,
        https://cloud.google.com/iam/docs/creating-custom-roles#deleting-custom-role
        """
        iam, of = "gcloud iam", f"--project={self._project}"
        pools = f"{iam} workload-identity-pools"
        here = f"--location=global {of}"
        asked = {
            pool(self._project): f"{pools} undelete {pool(self._project).rpartition('/')[2]} {here}",
            **{
                f"{pool(self._project)}/providers/{each.provider}": (
                    f"{pools} providers undelete {each.provider} "
                    f"--workload-identity-pool={pool(self._project).rpartition('/')[2]} {here}"
                )
                for each in self._foundation.identities
            },
            f"projects/{self._project}/roles/{CUSTOM_ROLE}": f"{iam} roles undelete {CUSTOM_ROLE} {of}",
        }
        kept = [name for name in asked if _is_deleted(self._get("iam", f"v1/{name}"))]
        if kept:
            raise Missing(
                f"deleted, and Google keeps the name for a month: {', '.join(kept)}",
                f"{' && '.join(asked[name] for name in kept)}; then pulumi import each "
                "(docs/runbooks/complete-removal.md)",
            )
        return "none is kept by Google"

    def _get(self, host: str, path: str, **query: str | Sequence[str]) -> dict[str, Any] | None:
        """What is at an address of an API; None for nothing. Raises Missing for a refusal or no answer."""
        try:
            answer = self._session.get(
                f"{self._endpoint.format(host=host)}/{path}", params=query, timeout=(_CONNECTED_S, _ANSWERED_S)
            )
        except (requests.RequestException, GoogleAuthError) as error:
            raise Missing(
                f"{host}.googleapis.com does not answer: {error}", "look at this machine's network"
            ) from error
        if answer.status_code == 404:
            return None
        if answer.ok:
            return answer.json()
        words = _words(answer)
        if "SERVICE_DISABLED" in answer.text or "has not been used in project" in words:
            api = f"{host}.googleapis.com"
            raise Missing(f"{api} is not enabled", f"gcloud services enable {api} --project={self._project}")
        raise Missing(f"Google says {answer.status_code}: {words}", "ask an owner of the project")


def _is_deleted(said: dict[str, Any] | None) -> bool:
    return said is not None and (said.get("state") == "DELETED" or bool(said.get("deleted")))


def _words(answer: requests.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason
