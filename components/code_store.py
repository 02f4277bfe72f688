"""Where code is kept on its way to run, and who builds it."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from components.settling import SETTLES_WITHIN_S, settling
from components.workload import Workload, WorkloadArgs

# Of each image so many are kept, whatever their age, and all that are younger than 30 days, in seconds as the API says.
_KEPT_IMAGES = 10
_OLD = f"{30 * 86400}s"


@dataclass(frozen=True, kw_only=True)
class CodeStoreArgs:
    """What a ``CodeStore`` needs: where it is, the keys of bucket and images, if not Google's own, and within how many
    seconds Google knows of a grant everywhere.
    """

    place: Place
    bucket_kms_key: pulumi.Input[str] | None = None
    images_kms_key: pulumi.Input[str] | None = None
    settles_within: int = SETTLES_WITHIN_S


class CodeStore(pulumi.ComponentResource):
    """A bucket for the zips of functions, a repository for images, and the identity that builds functions.

    Old images are deleted by the repository's own policy, but for the ten newest of each.

    The builder may read the bucket, and Google's own copies of sources (``roles/storage.objectViewer``, on buckets
    named ``gcf-v2-sources-…`` only), write images (``roles/artifactregistry.writer`` on the repository) and its log
    (``roles/logging.logWriter``). Without one, Google builds with an account that newer projects give no rights to:
    https://cloud.google.com/functions/docs/securing/build-custom-sa

    Exposes ``bucket``, ``repository_id`` (``projects/…``), ``registry`` (the address that images are pushed to),
    ``builder`` (the account's full name), ``ready``: what must exist, and count, before something is built; and
    ``workloads``, who is here.

    Example::

        from components.code_store import CodeStore, CodeStoreArgs
        from components.place import Place

        code = CodeStore("code", CodeStoreArgs(place=Place("my-project", "europe-west1")))
    """

    def __init__(self, name: str, args: CodeStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:CodeStore", name, {}, opts)
        place, child = args.place, pulumi.ResourceOptions(parent=self)
        bucket = gcp.storage.Bucket(
            f"{name}-sources",
            project=place.project,
            name=pulumi.Output.concat(place.project, "-sources"),  # bucket names are global, project ids too
            location=place.region,
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            encryption={"default_kms_key_name": args.bucket_kms_key} if args.bucket_kms_key else None,
            force_destroy=True,
            opts=child,
        )
        repository = gcp.artifactregistry.Repository(
            f"{name}-images",
            project=place.project,
            location=place.region,
            repository_id="images",
            format="DOCKER",
            description="Images of the jobs and functions.",
            kms_key_name=args.images_kms_key,
            # Every change of the code makes new images. What runs is among the newest of its kind.
            cleanup_policy_dry_run=False,
            cleanup_policies=[
                {"id": "old", "action": "DELETE", "condition": {"tag_state": "ANY", "older_than": _OLD}},
                {"id": "newest", "action": "KEEP", "most_recent_versions": {"keep_count": _KEPT_IMAGES}},
            ],
            opts=child,
        )
        builder = Workload(
            f"{name}-builder",
            WorkloadArgs(place=place, physical_name="code-builder", purpose="Builds the functions"),
            child,
        )
        # Google's own test of a function with a new builder fails every second time for a grant that does not count
        # yet, and the function that failed is in the way of the next attempt.
        # https://github.com/hashicorp/terraform-provider-google/issues/20571
        hooks = settling(name, args.settles_within)
        grant = pulumi.ResourceOptions(parent=self, hooks=hooks)
        self.ready: list[pulumi.Resource] = [
            gcp.storage.BucketIAMMember(
                f"{name}-sources-builder",
                bucket=bucket.name,
                role="roles/storage.objectViewer",
                member=builder.member,
                opts=grant,
            ),
            gcp.artifactregistry.RepositoryIamMember(
                f"{name}-images-builder",
                project=place.project,
                location=place.region,
                repository=repository.repository_id,
                role="roles/artifactregistry.writer",
                member=builder.member,
                opts=grant,
            ),
            builder.grant_project("roles/logging.logWriter", hooks=hooks),
            # The bucket of these copies is made by the first build: nothing narrower can be granted before it.
            builder.grant_project(
                "roles/storage.objectViewer", only_named="projects/_/buckets/gcf-v2-sources-", hooks=hooks
            ),
        ]
        self.workloads = (builder,)
        self.bucket = bucket.name
        self.repository_id = repository.id
        self.registry = pulumi.Output.concat(
            place.region, "-docker.pkg.dev/", place.project, "/", repository.repository_id
        )
        self.builder = pulumi.Output.concat("projects/", place.project, "/serviceAccounts/", builder.email)
        self.register_outputs({"bucket": self.bucket, "registry": self.registry, "builder": self.builder})
