"""Where an environment is."""

import re
from dataclasses import dataclass

from components.checks import require

# https://cloud.google.com/resource-manager/docs/creating-managing-projects (the form of a project's id)
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]{1,2}")


@dataclass(frozen=True)
class Place:
    """A Google Cloud project and the region of everything in it that has one.

    Raises ValueError for what no project or region is called: the provider would find out half-way.
    """

    project: str
    region: str

    def __post_init__(self) -> None:
        require(
            (
                bool(_PROJECT.fullmatch(self.project)),
                f"project is {self.project!r}: give its id (6 to 30 lower-case letters, digits and hyphens), not its "
                "name or number",
            ),
            (
                bool(_REGION.fullmatch(self.region)),
                f"region is {self.region!r}: give one such as europe-west1, not a zone",
            ),
        )
