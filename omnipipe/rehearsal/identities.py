"""Which service accounts there are: those that were made in a project, and Google's own agents.

An agent is made by Google when its service is first used, or when somebody asks for it, but not before:
https://cloud.google.com/iam/docs/create-service-agents. Until then it is nobody to whom something could be granted:
https://github.com/hashicorp/terraform-provider-google/issues/9969.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from omnipipe.rehearsal import enabling, propagation
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.store import Record

if TYPE_CHECKING:
    from omnipipe.rehearsal.control_plane import ControlPlane

# https://cloud.google.com/iam/docs/service-agents
_AGENTS = {
    "artifactregistry": "gcp-sa-artifactregistry",
    "bigquery": "bigquery-encryption",
    "bigquerydatatransfer": "gcp-sa-bigquerydatatransfer",
    "cloudfunctions": "gcf-admin-robot",
    "cloudscheduler": "gcp-sa-cloudscheduler",
    "composer": "cloudcomposer-accounts",
    "dataform": "gcp-sa-dataform",
    "dataplex": "gcp-sa-dataplex",
    "datastream": "gcp-sa-datastream",
    "eventarc": "gcp-sa-eventarc",
    "pubsub": "gcp-sa-pubsub",
    "run": "serverless-robot-prod",
    "secretmanager": "gcp-sa-secretmanager",
    "servicenetworking": "service-networking",
    "sqladmin": "gcp-sa-cloud-sql",
    "storage": "gs-project-accounts",
    "workflows": "gcp-sa-workflows",
}
# Those that are not there when their API is enabled, and the collection whose first resource brings them; "" where only
# asking for them does. The others are taken to be there.
# https://github.com/hashicorp/terraform-provider-google/issues/15572 (artifactregistry), …/9969 (storage);
# https://cloud.google.com/secret-manager/docs/cmek, https://cloud.google.com/sql/docs/postgres/configure-cmek,
# https://cloud.google.com/bigquery/docs/reference/rest/v2/projects/getServiceAccount
_MADE_LATER = {
    "artifactregistry": "repositories",
    "bigquery": "",
    "secretmanager": "",
    "sqladmin": "instances",
    "storage": "b",
}
_OF_AGENTS = {domain: host for host, domain in _AGENTS.items()} | {"developer": "compute"}
_AGENT = re.compile(r"(?:service|bq)-(?P<number>\d+)@(?P<domain>[-a-z0-9]+)\.iam\.gserviceaccount\.com")
# https://cloud.google.com/compute/docs/access/service-accounts#default_service_account: it is made with the API, too
_DEFAULT = re.compile(r"(?P<number>\d+)-compute@(?P<domain>developer)\.gserviceaccount\.com")
_OWN = re.compile(r"[^@]+@([-a-z0-9]+)\.iam\.gserviceaccount\.com")
# No account has an address in a project's name alone.
_NOBODY = re.compile(r"[^@]+@([-a-z0-9]+)\.gserviceaccount\.com")


def agent(plane: ControlPlane, host: str, project: str) -> str:
    """The address of a service's agent in a project."""
    kind = "bq" if host == "bigquery" else "service"
    domain = _AGENTS.get(host, f"gcp-sa-{host}")
    return f"{kind}-{plane.number(project)}@{domain}.iam.gserviceaccount.com"


def make(plane: ControlPlane, email: str) -> None:
    """Let an agent be there from now on, if it is not yet."""
    if not plane.store.get("iam", f"agents/{email}"):
        record = Record("iam", f"agents/{email}", "agents", {})
        propagation.begin(plane, plane.store.add(record))


def exists(call: Call, email: str) -> bool:
    """Whether an account is known to be there; one of somewhere else is taken to be."""
    plane = call.plane
    if found := _AGENT.fullmatch(email) or _DEFAULT.fullmatch(email):
        return _has_agent(plane, found["number"], found["domain"])
    if (nobody := _NOBODY.fullmatch(email)) and plane.knows_project(f"projects/{nobody[1]}"):
        return False
    own = _OWN.fullmatch(email)
    if not own or not plane.knows_project(f"projects/{own[1]}"):
        return True
    record = call.other("iam", f"projects/{own[1]}/serviceAccounts/{email}")
    return record is not None and propagation.has_passed(plane, record.since)


def _has_agent(plane: ControlPlane, number: str, domain: str) -> bool:
    name, host = plane.with_id(f"projects/{number}"), _OF_AGENTS.get(domain)
    if host is None or not plane.knows_project(name):
        return True
    project = name.rpartition("/")[2]
    if host not in _MADE_LATER:
        return enabling.is_enabled(plane, host, project)
    record = plane.store.get("iam", f"agents/{agent(plane, host, project)}")
    if record:
        return propagation.has_passed(plane, record.since)
    first = _MADE_LATER[host]
    return any((each.host, each.collection) == (host, first) for each in plane.store)
