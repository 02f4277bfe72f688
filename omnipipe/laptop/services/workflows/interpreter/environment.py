"""The outside of a workflow, as one object that the caller makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from omnipipe.laptop.services.workflows.interpreter.callbacks import Callbacks


def _no_log(severity: str, payload: str | dict[str, Any]) -> None:
    """Drop the entry: the caller did not ask for logs."""


@dataclass(frozen=True)
class Environment:
    """Where a workflow runs and how it reaches the outside.

    project, project_number, location, workflow_id, execution_id, service_account: what `sys.get_env` says of the
        execution; service_account is an e-mail address.
    env: the workflow's own environment variables.
    endpoints: host of a service, such as `run.googleapis.com`, to the base URL that stands in for it;
        other hosts are reached as they are.
    token: `token("OIDC", audience)` or `token("OAuth2", scopes)`, scopes separated by spaces, gives a
        bearer token; any exception becomes the workflow's AuthError. Without it the services of `endpoints` are
        called without credentials, as emulators are, and the others not at all.
    callbacks: where `events.create_callback_endpoint` makes its endpoints; without it there are none.
    log: gets the severity and the text or map of each `sys.log`.
    """

    project: str
    location: str
    workflow_id: str
    execution_id: str
    project_number: str
    service_account: str
    env: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    token: Callable[[str, str], str] | None = None
    log: Callable[[str, str | dict[str, Any]], None] = _no_log
    callbacks: Callbacks | None = None

    def variable(self, name: str) -> str | None:
        """An environment variable: the workflow's own, or a built-in one.

        https://cloud.google.com/workflows/docs/reference/environment-variables
        """
        built_in = {
            "GOOGLE_CLOUD_LOCATION": self.location,
            "GOOGLE_CLOUD_PROJECT_ID": self.project,
            "GOOGLE_CLOUD_PROJECT_NUMBER": self.project_number,
            "GOOGLE_CLOUD_SERVICE_ACCOUNT_NAME": f"projects/{self.project}/serviceAccounts/{self.service_account}",
            "GOOGLE_CLOUD_WORKFLOW_ID": self.workflow_id,
            "GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID": self.execution_id,
            "GOOGLE_CLOUD_WORKFLOW_REVISION_ID": "000001-000",
        }
        return self.env.get(name, built_in.get(name))

    def route(self, url: str) -> str:
        """The URL to request for `url`: on the host's local base URL where `endpoints` has one."""
        parts = urlsplit(url)
        base = self.endpoints.get(parts.netloc)
        if base is None:
            return url
        query = f"?{parts.query}" if parts.query else ""
        return base.rstrip("/") + parts.path + query
