"""The private network between the database, Datastream and the jobs."""

import pulumi
import pulumi_gcp as gcp

from components.place import Place


class Network(pulumi.ComponentResource):
    """A VPC with one subnet, and an attachment through which Datastream reaches into it.

    All of it is protected in every stack: it costs nothing while it is idle, and what ran in the subnet keeps it from
    being deleted for hours.

    Exposes ``network_id`` and ``subnet_id``, and ``attachment_id`` for a Datastream private connection (by
    Private Service Connect: VPC peering would not reach Cloud SQL, because peering is not transitive).

    Example::

        from components.network import Network
        from components.place import Place

        network = Network("network", Place("my-project", "europe-west1"))
    """

    def __init__(self, name: str, place: Place, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("omnipipe:components:Network", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, protect=True)
        network = gcp.compute.Network(
            f"{name}-vpc", project=place.project, auto_create_subnetworks=False, opts=child
        )
        subnet = gcp.compute.Subnetwork(
            f"{name}-subnet",
            project=place.project,
            region=place.region,
            network=network.id,
            ip_cidr_range="10.20.0.0/24",
            private_ip_google_access=True,
            opts=child,
        )
        attachment = gcp.compute.NetworkAttachment(
            f"{name}-datastream",
            project=place.project,
            region=place.region,
            subnetworks=[subnet.id],
            connection_preference="ACCEPT_AUTOMATIC",
            opts=child,
        )
        self.network_id = network.id
        self.subnet_id = subnet.id
        self.attachment_id = attachment.id
        self.register_outputs(
            {"network_id": self.network_id, "subnet_id": self.subnet_id, "attachment_id": self.attachment_id}
        )
