"""Policy tags, keys, budgets and federation: recorded. Nothing on this machine is masked, encrypted or billed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.kind import Kind, Recorded
from omnipipe.laptop.lookups import PROJECT_NUMBER

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource


# Most are called like their service. https://cloud.google.com/iam/docs/service-agents
_AGENTS = {"sqladmin": "cloud-sql"}


class ServiceIdentity(Recorded):
    """A service's own account in the project."""

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        super().apply(cloud, resource, previous)
        service = resource.inputs["service"].partition(".")[0]
        agent = _AGENTS.get(service, service)
        email = f"service-{PROJECT_NUMBER}@gcp-sa-{agent}.iam.gserviceaccount.com"
        resource.outputs |= {"email": email, "member": f"serviceAccount:{email}"}


class Numbered(Recorded):
    """A resource whose name on Google holds the project's number, where its id holds the project's own id."""

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        super().apply(cloud, resource, previous)
        by_number = resource.id.replace(f"projects/{cloud.project}/", f"projects/{PROJECT_NUMBER}/")
        resource.outputs["name"] = by_number


_POOL = "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}"

KINDS: dict[str, Kind] = {
    "gcp:datacatalog/taxonomy:Taxonomy": Recorded(
        "projects/{project}/locations/{region}/taxonomies/{displayName}"
    ),
    "gcp:datacatalog/policyTag:PolicyTag": Recorded(
        "{taxonomy}/policyTags/{displayName}",
        effect="the gate refuses a tagged column to who is no reader of its tag",
        different="a masked reader sees clear values",
    ),
    "gcp:bigquerydatapolicy/dataPolicy:DataPolicy": Recorded(
        "projects/{project}/locations/{location}/dataPolicies/{dataPolicyId}"
    ),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Recorded(
        "projects/{project}/roles/{roleId}", effect="its permissions count"
    ),
    "gcp:kms/keyRing:KeyRing": Recorded("projects/{project}/locations/{location}/keyRings/{name}"),
    "gcp:kms/cryptoKey:CryptoKey": Recorded("{keyRing}/cryptoKeys/{name}"),
    "gcp:projects/serviceIdentity:ServiceIdentity": ServiceIdentity("projects/{project}/services/{service}"),
    "gcp:billing/budget:Budget": Recorded("billingAccounts/{billingAccount}/budgets/{displayName}"),
    "gcp:iam/workloadIdentityPool:WorkloadIdentityPool": Numbered(_POOL),
    "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": Numbered(
        _POOL + "/providers/{workloadIdentityPoolProviderId}"
    ),
}
