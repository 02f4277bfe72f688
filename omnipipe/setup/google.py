"""What Google says of a stack's project, asked by requests that only read, with the credentials of who deploys."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import google.oauth2.credentials
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from omnipipe.google.api import ENDPOINT, LOGIN, Api, NoAnswer, Refused
from omnipipe.setup.checks import Check, Missing
from stacks.foundation import BASE_APIS, CUSTOM_ROLE, Foundation, pool

_ANSWERED_S = 8


class Google:
    """A stack's project, as Google knows it."""

    def __init__(self, given: Credentials, foundation: Foundation, endpoint: str = ENDPOINT) -> None:
        self._credentials, self._foundation = given, foundation
        self._api = Api(given, endpoint, answered_s=_ANSWERED_S)
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
            return self._api.get(host, path, **query)
        except NoAnswer as error:
            raise Missing(str(error), "look at this machine's network") from error
        except Refused as refused:
            if refused.disabled:
                api = f"{host}.googleapis.com"
                enable = f"gcloud services enable {api} --project={self._project}"
                raise Missing(f"{api} is not enabled", enable) from refused
            raise Missing(
                f"Google says {refused.status}: {refused.words}", "ask an owner of the project"
            ) from refused


def _is_deleted(said: dict[str, Any] | None) -> bool:
    return said is not None and (said.get("state") == "DELETED" or bool(said.get("deleted")))
