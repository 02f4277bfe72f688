"""Service accounts and grants. Each workload asks the metadata server for its own account's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop.services.base import Kind, Recorded

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

ACCOUNT = "gcp:serviceaccount/account:Account"


class Account(Kind):
    """A service account."""

    effect = "an identity; the metadata server gives its tokens"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        email = f"{resource.inputs['accountId']}@{cloud.project}.iam.gserviceaccount.com"
        resource.id = f"projects/{cloud.project}/serviceAccounts/{email}"
        resource.outputs = {
            **resource.inputs,
            "name": resource.id,
            "email": email,
            "member": f"serviceAccount:{email}",
        }

    def describe(self, cloud: Cloud, resource: Resource) -> str:
        return resource.outputs["email"]


_GRANT = Recorded("{role}/{member}")

KINDS: dict[str, Kind] = {
    ACCOUNT: Account(),
    "gcp:projects/service:Service": Recorded("{project}/{service}"),
    "gcp:projects/iAMMember:IAMMember": _GRANT,
    "gcp:secretmanager/secretIamMember:SecretIamMember": _GRANT,
    "gcp:bigquery/datasetIamMember:DatasetIamMember": _GRANT,
    "gcp:bigquery/iamMember:IamMember": _GRANT,
    "gcp:storage/bucketIAMMember:BucketIAMMember": _GRANT,
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": _GRANT,
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember": _GRANT,
    "gcp:cloudrunv2/jobIamMember:JobIamMember": _GRANT,
}
