"""The gate keeps the bindings as long as nothing changes."""

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.iam.gate import Gate
from tests.laptop.conftest import PROJECT, grant

WHO = f"dbt@{PROJECT}.iam.gserviceaccount.com"


def test_bindings_are_made_anew_when_another_process_changes_the_registry_and_only_then(cloud: Cloud) -> None:
    gate = Gate(Cloud(cloud.home, PROJECT, "europe-west1").registry, cloud.tokens, PROJECT)
    nothing = gate.bindings()
    assert gate.bindings() is nothing

    made = grant(cloud, "gcp:projects/iAMMember:IAMMember", "roles/bigquery.jobUser", WHO)
    granted = gate.bindings()
    assert granted.allow(WHO, "bigquery.jobs.create", f"projects/{PROJECT}")
    assert gate.bindings() is granted

    cloud.registry.remove(made)
    assert not gate.bindings().allow(WHO, "bigquery.jobs.create", f"projects/{PROJECT}")
