"""How GitHub deploys, and previews pull requests: by the identity of a repository's own runs, without a key."""

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

# What may preview: the checks of a pull request, whose code is not part of any branch yet. GitHub gives a fork's run no
# token: https://docs.github.com/actions/reference/security/oidc#workflow-triggers-for-oidc
PREVIEW = "pull_request"

_NUMBER = re.compile(r"[1-9][0-9]*")
# https://git-scm.com/docs/git-check-ref-format, less what would need quoting in a condition
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_-]*")
_ANYTHING = ("roles/owner", "roles/editor", "roles/resourcemanager.projectIamAdmin", "roles/iam.securityAdmin")
_MOST_GRANTABLE = 10  # as many as a condition's hasOnly() takes


def is_environment(name: str) -> bool:
    """Whether an environment of GitHub's may be called so here, or there is none."""
    return bool(_ENVIRONMENT.fullmatch(name))


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """What a ``WorkloadIdentity`` needs.

    ``physical_name`` is the pool's id, and what the ids of provider and account begin with.
    ``repository_id`` and ``owner_id`` are GitHub's numbers, as text (``gh api repos/OWNER/NAME --jq
    '.id, .owner.id'``): a name can be given up and taken by somebody else. ``branch`` is the one whose runs deploy, and
    if there is an ``environment``, only those of its runs that GitHub let into that environment.
    ``roles`` are what deploying takes, on the project; ``grantable_roles`` are those that the program gives to its
    workloads there: the deployer may grant these, and no other. It lets things run as ``workloads``, and as nobody
    else. ``preview_roles`` are what previewing takes; without any, pull requests get no identity.

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
    environment: str = ""
    preview_roles: Sequence[str] = ()

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
                is_environment(self.environment),
                f"environment is {self.environment!r}: take letters, digits, hyphens and underscores",
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
    """A deployer's account that runs of one GitHub repository, on one branch, may act as, and one for previews.

    Creates a pool, an OIDC provider that takes tokens of that repository, owner, branch and environment only, and the
    account. An account that is there already is taken over: its rights on the state are older than the program.
    Grants ``roles/iam.workloadIdentityUser`` on the account to the repository; to the account
    ``roles/iam.serviceAccountUser`` on each workload's, and on the project the ``roles`` and
    ``roles/resourcemanager.projectIamAdmin``, the latter for ``grantable_roles`` alone.

    So the deployer administers the services of its project, and reaches all data in them, but cannot widen its own
    rights: it makes no account, no role and no identity pool, grants nothing on an account, and runs nothing as one
    that is not the program's. An owner runs the first ``up`` of an environment, and each one that adds or removes a
    workload, or changes this component or a custom role.

    With ``preview_roles`` creates the same once more for pull requests: a provider of their own, and an account that
    has these roles on the project and no other. Who comes in by one provider has no attribute of the other, so a pull
    request is never the deployer.

    Exposes ``provider_name`` and ``deployer_email``, which the deploying workflow is told; and for the previewing one
    ``preview_provider_name`` and ``previewer_email``, or None.

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
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self._patience = patient(name, "does not exist")
        self._pool = gcp.iam.WorkloadIdentityPool(
            f"{name}-pool",
            project=args.place.project,
            workload_identity_pool_id=args.physical_name,
            display_name=f"Deployments by {args.physical_name}",
            opts=self._child,
        )
        deployer = self._deployer()
        self.preview_provider_name: pulumi.Output[str] | None = None
        self.previewer_email: pulumi.Output[str] | None = None
        if args.preview_roles:
            self._previewer()
        self.deployer_email = deployer.email
        self.register_outputs(
            {
                "provider_name": self.provider_name,
                "deployer_email": self.deployer_email,
                "preview_provider_name": self.preview_provider_name,
                "previewer_email": self.previewer_email,
            }
        )

    def _deployer(self) -> gcp.serviceaccount.Account:
        """Who deploys: an account with its rights, and the runs that may be it."""
        args = self._args
        deployer = self._account("deployer", f"Deploys the platform from {args.physical_name}")
        ref = f"assertion.ref == 'refs/heads/{args.branch}'"
        where = [f"assertion.environment == '{args.environment}'"] if args.environment else []
        only = (ref, *where, f"assertion.event_name in {_list(EVENTS)}")
        self.provider_name = self._let_in("", "deploys", only, deployer)
        for workload in args.workloads:
            gcp.serviceaccount.IAMMember(
                f"{self._name}-runs-{workload.physical_name}",
                service_account_id=workload.account,
                role="roles/iam.serviceAccountUser",
                member=_member(deployer),
                opts=self._child,
            )
        self._grant("", args.roles, deployer)
        gcp.projects.IAMMember(
            f"{self._name}-resourcemanager-projectiamadmin",
            project=args.place.project,
            role="roles/resourcemanager.projectIamAdmin",
            member=_member(deployer),
            # https://cloud.google.com/iam/docs/setting-limits-on-granting-roles
            condition={
                "title": "Only what workloads get",
                "expression": pulumi.Output.all(*args.grantable_roles).apply(
                    lambda roles: (
                        f"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly({_list(roles)})"
                    )
                ),
            },
            opts=self._child,
        )
        return deployer

    def _previewer(self) -> None:
        """Who previews: an account that changes nothing, and the runs of pull requests, which may be it."""
        previewer = self._account("preview", f"Previews pull requests from {self._args.physical_name}")
        only = (f"assertion.event_name == '{PREVIEW}'",)
        self.preview_provider_name = self._let_in("preview-", "previews", only, previewer)
        self.previewer_email = previewer.email
        self._grant("preview-", self._args.preview_roles, previewer)

    def _account(self, purpose: str, display_name: str) -> gcp.serviceaccount.Account:
        return gcp.serviceaccount.Account(
            f"{self._name}-{purpose}",
            project=self._args.place.project,
            account_id=f"{self._args.physical_name}-{purpose}",
            display_name=display_name,
            create_ignore_already_exists=True,
            opts=self._child,
        )

    def _let_in(
        self, prefix: str, attribute: str, only: Sequence[str], account: gcp.serviceaccount.Account
    ) -> pulumi.Output[str]:
        """A way in for the repository's runs to which ``only`` applies, and the account that they may act as.

        What comes in this way has the ``attribute``, and what comes in another way has not. Returns the name of the
        provider. ``prefix`` begins the names of what it makes.
        """
        args = self._args
        provider = gcp.iam.WorkloadIdentityPoolProvider(
            f"{self._name}-{prefix}provider",
            project=args.place.project,
            workload_identity_pool_id=self._pool.workload_identity_pool_id,
            workload_identity_pool_provider_id=f"{args.physical_name}-{prefix}oidc",
            display_name="GitHub Actions",
            oidc={"issuer_uri": ISSUER},
            attribute_mapping={
                "google.subject": "assertion.sub",
                f"attribute.{attribute}": "assertion.repository_id",
            },
            attribute_condition=" && ".join(
                (
                    f"assertion.repository_id == '{args.repository_id}'",
                    f"assertion.repository_owner_id == '{args.owner_id}'",
                    *only,
                )
            ),
            opts=self._child,
        )
        gcp.serviceaccount.IAMMember(
            f"{self._name}-{prefix}repository",
            service_account_id=account.name,
            role="roles/iam.workloadIdentityUser",
            # The pool's name has the project's number in it, which a principal is written with.
            member=pulumi.Output.concat(
                "principalSet://iam.googleapis.com/",
                self._pool.name,
                f"/attribute.{attribute}/",
                args.repository_id,
            ),
            # The pool is new, and a grant to one that Google does not know of yet is refused.
            opts=pulumi.ResourceOptions(parent=self, hooks=self._patience),
        )
        return provider.name

    def _grant(self, prefix: str, roles: Sequence[str], account: gcp.serviceaccount.Account) -> None:
        for role in roles:
            gcp.projects.IAMMember(
                f"{self._name}-{prefix}{role.removeprefix('roles/').replace('.', '-').lower()}",
                project=self._args.place.project,
                role=role,
                member=_member(account),
                opts=self._child,
            )


def _member(account: gcp.serviceaccount.Account) -> pulumi.Output[str]:
    return account.email.apply(lambda email: f"serviceAccount:{email}")


def _list(values: Sequence[str]) -> str:
    """A list of texts in a condition; none of ours has a quote in it."""
    return "[" + ", ".join(f"'{value}'" for value in values) + "]"
