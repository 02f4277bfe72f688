"""The identity of a workload."""

import pulumi
import pulumi_gcp as gcp

from components.place import Place


class Workload(pulumi.ComponentResource):
    """A service account of one workload's own.

    Exposes ``email``, and ``member`` for grants. ``grant_project`` gives a role on the project: only for roles
    that no narrower resource takes, such as running BigQuery jobs.
    """

    def __init__(self, name: str, place: Place, purpose: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Workload", name, {}, opts)
        self._name, self._place = name, place
        account = gcp.serviceaccount.Account(
            f"{name}-account",
            project=place.project,
            account_id=name,
            display_name=purpose,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.email = account.email
        self.member = account.email.apply(lambda email: f"serviceAccount:{email}")
        self.register_outputs({"email": self.email})

    def grant_project(self, role: str) -> pulumi.Resource:
        """Give the workload a role on the whole project."""
        return gcp.projects.IAMMember(
            f"{self._name}-{role.removeprefix('roles/').replace('.', '-').lower()}",
            project=self._place.project,
            role=role,
            member=self.member,
            opts=pulumi.ResourceOptions(parent=self),
        )
