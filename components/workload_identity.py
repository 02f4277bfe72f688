"""How GitHub deploys: by the identity of a repository's own runs, without a key."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import is_role, require
from components.place import Place
from components.settling import patient
from components.workload import Workload

ISSUER = "https://token.actions.githubusercontent.com"
# What may start a deployment. Other events run on the same branch with what strangers wrote (a pull request's code,
# an issue's text).
EVENTS = ("push", "schedule", "workflow_dispatch")

_NUMBER = re.compile(r"[1-9][0-9]*")
# https://git-scm.com/docs/git-check-ref-format, less what would need quoting in a condition
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_ANYTHING = ("roles/owner", "roles/editor", "roles/resourcemanager.projectIamAdmin", "roles/iam.securityAdmin")
_MOST_GRANTABLE = 10  # as many as a condition's hasOnly() takes


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """What a ``WorkloadIdentity`` needs.

    ``physical_name`` is the pool's id, and what the ids of provider and account begin with.
    ``repository_id`` and ``owner_id`` are GitHub's numbers, as text (``gh api repos/OWNER/NAME --jq
    '.id, .owner.id'``): a name can be given up and taken by somebody else. ``branch`` is the one whose runs deploy.
    ``roles`` are what deploying takes, on the project; ``grantable_roles`` are those that the program gives to its
    workloads there: the deployer may grant these, and no other. It lets things run as ``workloads``, and as nobody
    else.

    Raises ValueError with all problems at once.
    """

    place: Place
    physical_name: str
    repository_id: str
    owner_id: str
    roles: Sequence[str]
    grantable_roles: Sequence[pulumi.Input[str]]
    workloads: Sequence[Workload]
    branch: str = "main"

    def __post_init__(self) -> None:
        require(
            *(
                (
                    bool(_NUMBER.fullmatch(value)),
                    f"{argument} is {value!r}: give GitHub's number as text "
                    "(`gh api repos/OWNER/NAME --jq '.id, .owner.id'`), not a name",
                )
                for argument, value in (("repository_id", self.repository_id), ("owner_id", self.owner_id))
            ),
            (
                bool(_BRANCH.fullmatch(self.branch)) and not self.branch.startswith("refs/"),
                f"branch is {self.branch!r}: give a branch's short name, such as main",
            ),
            (
                1 <= len(self.grantable_roles) <= _MOST_GRANTABLE,
                f"{len(self.grantable_roles)} grantable_roles: a condition takes 1 to {_MOST_GRANTABLE}",
            ),
            *(
                (is_role(role), f"grantable_roles has {role!r}: write roles/SERVICE.ROLE")
                for role in self.grantable_roles
                if isinstance(role, str)
            ),
            *(
                (role not in _ANYTHING, f"grantable_roles has {role!r}: whoever may grant it may do anything")
                for role in self.grantable_roles
                if isinstance(role, str)
            ),
        )


class WorkloadIdentity(pulumi.ComponentResource):
    """A deployer's account that runs of one GitHub repository, on one branch, may act as.

    Creates a pool, an OIDC provider that takes tokens of that repository, owner and branch only, and the account.
    Grants ``roles/iam.workloadIdentityUser`` on the account to the repository; to the account
    ``roles/iam.serviceAccountUser`` on each workload's, and on the project the ``roles`` and
    ``roles/resourcemanager.projectIamAdmin``, the latter for ``grantable_roles`` alone.

    So the deployer administers the services of its project, and reaches all data in them, but cannot widen its own
    rights: it makes no account, no role and no identity pool, grants nothing on an account, and runs nothing as one
    that is not the program's. An owner runs the first ``up`` of an environment, and each one that adds or removes a
    workload, or changes this component or a custom role.

    Exposes ``provider_name`` and ``deployer_email``, which the deploying workflow is told.

    All of it is protected in every stack: Google keeps a deleted pool's id from being used for 30 days, and a
    deployment that took its own rights away would stop half-way. What is protected keeps what it depends on, so the
    workloads' accounts outlive a destroyed environment too: the deployer could not make them again.

    Example::

        from components.place import Place
        from components.workload import Workload, WorkloadArgs
        from components.workload_identity import WorkloadIdentity, WorkloadIdentityArgs

        place = Place("my-project", "europe-west1")
        report = WorkloadArgs(place=place, physical_name="report-job", purpose="Writes the weekly report")
        WorkloadIdentity(
            "github",
            WorkloadIdentityArgs(
                place=place,
                physical_name="github",
                repository_id="123456789",
                owner_id="987654",
                roles=["roles/run.admin"],
                grantable_roles=["roles/bigquery.jobUser"],
                workloads=[Workload("report", report)],
            ),
        )
    """

    def __init__(self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        protected = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(protect=True))
        super().__init__("omnipipe:components:WorkloadIdentity", name, {}, protected)
        child = pulumi.ResourceOptions(parent=self)
        project, physical = args.place.project, args.physical_name
        pool = gcp.iam.WorkloadIdentityPool(
            f"{name}-pool",
            project=project,
            workload_identity_pool_id=physical,
            display_name=f"Deployments by {physical}",
            opts=child,
        )
        provider = gcp.iam.WorkloadIdentityPoolProvider(
            f"{name}-provider",
            project=project,
            workload_identity_pool_id=pool.workload_identity_pool_id,
            workload_identity_pool_provider_id=f"{physical}-oidc",
            display_name="GitHub Actions",
            oidc={"issuer_uri": ISSUER},
            attribute_mapping={
                "google.subject": "assertion.sub",
                "attribute.repository_id": "assertion.repository_id",
            },
            attribute_condition=" && ".join(
                (
                    f"assertion.repository_id == '{args.repository_id}'",
                    f"assertion.repository_owner_id == '{args.owner_id}'",
                    f"assertion.ref == 'refs/heads/{args.branch}'",
                    f"assertion.event_name in {_list(EVENTS)}",
                )
            ),
            opts=child,
        )
        deployer = gcp.serviceaccount.Account(
            f"{name}-deployer",
            project=project,
            account_id=f"{physical}-deployer",
            display_name=f"Deploys the platform from {physical}",
            opts=child,
        )
        member = deployer.email.apply(lambda email: f"serviceAccount:{email}")
        gcp.serviceaccount.IAMMember(
            f"{name}-repository",
            service_account_id=deployer.name,
            role="roles/iam.workloadIdentityUser",
            # The pool's name has the project's number in it, which a principal is written with.
            member=pulumi.Output.concat(
                "principalSet://iam.googleapis.com/", pool.name, "/attribute.repository_id/", args.repository_id
            ),
            # The pool is new, and a grant to one that Google does not know of yet is refused.
            opts=pulumi.ResourceOptions(parent=self, hooks=patient(name, "does not exist")),
        )
        for workload in args.workloads:
            gcp.serviceaccount.IAMMember(
                f"{name}-runs-{workload.physical_name}",
                service_account_id=workload.account,
                role="roles/iam.serviceAccountUser",
                member=member,
                opts=child,
            )
        for role in args.roles:
            gcp.projects.IAMMember(
                f"{name}-{role.removeprefix('roles/').replace('.', '-').lower()}",
                project=project,
                role=role,
                member=member,
                opts=child,
            )
        gcp.projects.IAMMember(
            f"{name}-resourcemanager-projectiamadmin",
            project=project,
            role="roles/resourcemanager.projectIamAdmin",
            member=member,
            # https://cloud.google.com/iam/docs/setting-limits-on-granting-roles
            condition={
                "title": "Only what workloads get",
                "expression": pulumi.Output.all(*args.grantable_roles).apply(
                    lambda roles: (
                        f"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly({_list(roles)})"
                    )
                ),
            },
            opts=child,
        )
        self.provider_name = provider.name
        self.deployer_email = deployer.email
        self.register_outputs({"provider_name": self.provider_name, "deployer_email": self.deployer_email})


def _list(values: Sequence[str]) -> str:
    """A list of texts in a condition; none of ours has a quote in it."""
    return "[" + ", ".join(f"'{value}'" for value in values) + "]"
