"""The Google APIs that a project takes calls of."""

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from components.place import Place
from components.settling import SETTLES_WITHIN_S, settling


class ApiServices(pulumi.ComponentResource):
    """Enables APIs of a project, and never disables one: another program may use it too.

    ``apis`` are their names without ``.googleapis.com``. Creates a ``projects.Service`` for each, protected in every
    stack. Let what needs them ``depends_on`` this component: it waits for a project's first ones to be known
    everywhere, ``settles_within`` seconds.

    Example::

        import pulumi
        from components.api_services import ApiServices
        from components.network import Network
        from components.place import Place

        place = Place("my-project", "europe-west1")
        apis = ApiServices("apis", place, ["compute", "storage"])
        Network("network", place, pulumi.ResourceOptions(depends_on=[apis]))
    """

    def __init__(
        self,
        name: str,
        place: Place,
        apis: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
        *,
        settles_within: int = SETTLES_WITHIN_S,
    ) -> None:
        super().__init__("omnipipe:components:ApiServices", name, {}, opts)
        *others, last = apis

        def enable(api: str, opts: pulumi.ResourceOptions | None = None) -> pulumi.Resource:
            return gcp.projects.Service(
                f"{name}-{api}",
                project=place.project,
                service=f"{api}.googleapis.com",
                disable_on_destroy=False,
                opts=pulumi.ResourceOptions.merge(pulumi.ResourceOptions(parent=self, protect=True), opts),
            )

        enabled = [enable(api) for api in others]
        # An API that was just enabled refuses its first calls ("wait a few minutes for the action to propagate"). One
        # of them waits for all: each wait takes one of the few steps that Pulumi does at a time.
        enable(last, pulumi.ResourceOptions(depends_on=enabled, hooks=settling(name, settles_within)))
        self.register_outputs({})
