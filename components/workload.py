"""The identity of a workload."""

from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp

from components.checks import is_account_id, require
from components.place import Place

# The roles that are granted on a whole project, and why on nothing narrower. A deployment may grant these there.
PROJECT_ROLES = {
    "roles/bigquery.jobUser": "jobs belong to a project",
    "roles/cloudsql.instanceUser": "Cloud SQL takes no grant on one instance",
    "roles/datastream.viewer": "Datastream takes no grant on one stream",
    "roles/logging.logWriter": "log entries belong to a project",
    "roles/run.viewer": "the operation of a job that runs belongs to the project",
    "roles/storage.objectViewer": "Google makes the bucket of function sources itself: by the name's beginning only",
    "roles/workflows.invoker": "Workflows takes no grant on one workflow",
    "roles/workflows.viewer": "Workflows takes no grant on one workflow",
}


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    """What a ``Workload`` needs: ``physical_name`` is its account's id, ``purpose`` what a person reads beside it.

    Raises ValueError for a name that cannot be an account's id.
    """

    place: Place
    physical_name: str
    purpose: str

    def __post_init__(self) -> None:
        require(
            (
                is_account_id(self.physical_name),
                f"{self.physical_name!r} cannot be a service account's id: take 6 to 30 lower-case letters, digits and "
                "hyphens",
            )
        )


class Workload(pulumi.ComponentResource):
    """A service account of one workload's own, without keys: Google gives the workload its tokens.

    Exposes ``email``, ``member`` for grants to it, ``account`` (``projects/…/serviceAccounts/…``) for grants on it, and
    ``physical_name``, which tells its grants from others in the program.
    ``grant_project`` gives a role on the project: only for roles that no narrower resource takes, such as running
    BigQuery jobs.

    Example::

        from components.place import Place
        from components.workload import Workload, WorkloadArgs

        place = Place("my-project", "europe-west1")
        report = Workload(
            "report", WorkloadArgs(place=place, physical_name="report-job", purpose="Writes the weekly report")
        )
        report.grant_project("roles/bigquery.jobUser")
    """

    def __init__(self, name: str, args: WorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Workload", name, {}, opts)
        self._name, self._place, self.physical_name = name, args.place, args.physical_name
        account = gcp.serviceaccount.Account(
            f"{name}-account",
            project=args.place.project,
            account_id=args.physical_name,
            display_name=args.purpose,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.account = account.name
        self.email = account.email
        self.member = account.email.apply(lambda email: f"serviceAccount:{email}")
        self.register_outputs({"email": self.email})

    def grant_project(
        self,
        role: str,
        *,
        only_named: pulumi.Input[str] | None = None,
        hooks: pulumi.ResourceHookBinding | None = None,
    ) -> pulumi.Resource:
        """Give the workload a role on the whole project, or on its resources whose names begin with ``only_named``.

        ``hooks`` run with the grant, such as ``settling``'s.

        Raises ValueError for a role that is not among ``PROJECT_ROLES``: most can be granted on something narrower.
        """
        require(
            (
                role in PROJECT_ROLES,
                f"{role} on the whole project: grant it on a resource, or add it to PROJECT_ROLES",
            )
        )
        short = role.removeprefix("roles/").replace(".", "-").lower()
        return gcp.projects.IAMMember(
            f"{self._name}-{short}",
            project=self._place.project,
            role=role,
            member=self.member,
            condition={
                "title": pulumi.Output.concat("only ", only_named),
                "expression": pulumi.Output.concat('resource.name.startsWith("', only_named, '")'),
            }
            if only_named is not None
            else None,
            opts=pulumi.ResourceOptions(parent=self, hooks=hooks),
        )
