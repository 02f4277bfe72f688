"""Google's own command takes what a bootstrap types, and does it: against the control plane in memory.

It runs where `gcloud` is found; GitHub and Pulumi are stand-ins.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.world import World
from omnipipe.setup.apply import Applier
from omnipipe.setup.steps import environment, lookups, steps
from stacks.foundation import DEPLOYER, PREVIEWER, Foundation
from tests.setup.conftest import Machine

pytestmark = pytest.mark.e2e
PROJECT = "shop-dev-1"
# Below the address of the control plane: https://cloud.google.com/sdk/gcloud/reference/config/set#api_endpoint_overrides
ENDPOINTS = {
    "CLOUDKMS": "cloudkms/",
    "CLOUDRESOURCEMANAGER": "cloudresourcemanager/",
    "IAM": "iam/",
    "SERVICEUSAGE": "serviceusage/",
    "STORAGE": "storage/storage/v1/",
}


@pytest.fixture
def plane(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ControlPlane]:
    """A control plane that gcloud is led to, with a new project."""
    (machine.programs / "gcloud").unlink()
    if shutil.which("gcloud") is None:
        pytest.skip("no gcloud on this machine")
    new = ControlPlane(World(PROJECT, "123456789", enabled=("serviceusage", "cloudresourcemanager")))
    token = tmp_path / "token"
    token.write_text("of nobody")
    with server.running(new) as address:
        for api, path in ENDPOINTS.items():
            monkeypatch.setenv(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}", f"{address}/{path}")
        monkeypatch.setenv("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", str(token))
        monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
        monkeypatch.setenv("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "1")
        monkeypatch.setenv("CLOUDSDK_CORE_CHECK_GCE_METADATA", "0")
        yield new


def test_all_of_it_is_made_and_found_again(plane: ControlPlane, machine: Machine) -> None:
    foundation = Foundation("dev", PROJECT, "europe-west1", "")
    asked = steps(foundation, "acme/omnipipe"), lookups(foundation, "acme/omnipipe")
    applier = Applier(machine.folder, environment(foundation))

    there = [done.step.what for done in applier.apply(*asked) if not done.made]
    assert there == ["its secrets, encrypted with the key"]  # Pulumi is told of it when it makes the stack
    bucket = plane.store.get("storage", f"b/{foundation.bucket}")
    assert bucket is not None
    assert bucket.body["versioning"] == {"enabled": True}
    assert bucket.body["iamConfiguration"]["publicAccessPrevention"] == "enforced"
    assert bucket.body["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True
    assert plane.store.get("cloudkms", foundation.key)
    for identity in (DEPLOYER, PREVIEWER):
        name = f"projects/{PROJECT}/serviceAccounts/{foundation.email(identity)}"
        account = plane.store.get("iam", name)
        assert account is not None
        assert account.body["displayName"] == identity.purpose

    assert [done.step.what for done in applier.apply(*asked) if done.made] == []
