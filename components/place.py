"""Where an environment is."""

import difflib
import re
from dataclasses import dataclass

import pulumi

from components.checks import require

# https://cloud.google.com/resource-manager/docs/creating-managing-projects (the form of a project's id)
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
# https://cloud.google.com/bigquery/docs/locations#multi-regions: which regions a multi-region is made of. Some services
# write it in lower case, and Cloud KMS calls the first one `europe`.
_MULTI_REGIONS = {"eu": "europe-", "europe": "europe-", "us": "us-"}
REGIONS_AS_OF = "2026-11"
# https://cloud.google.com/compute/docs/regions-zones
REGIONS = frozenset(
    f"{area}{number}"
    for area, numbers in {
        "africa-south": (1,),
        "asia-east": (1, 2),
        "asia-northeast": (1, 2, 3),
        "asia-south": (1, 2),
        "asia-southeast": (1, 2, 3),
        "australia-southeast": (1, 2),
        "europe-central": (2,),
        "europe-north": (1, 2),
        "europe-southwest": (1,),
        "europe-west": (1, 2, 3, 4, 6, 8, 9, 10, 12),
        "me-central": (1, 2),
        "me-west": (1,),
        "northamerica-northeast": (1, 2),
        "northamerica-south": (1,),
        "southamerica-east": (1,),
        "southamerica-west": (1,),
        "us-central": (1,),
        "us-east": (1, 4, 5),
        "us-south": (1,),
        "us-west": (1, 2, 3, 4),
    }.items()
    for number in numbers
)


@dataclass(frozen=True)
class Place:
    """A Google Cloud project and the region of everything in it that has one.

    ``project`` is its id; an output of one that the same program makes, for example.

    Raises ValueError for what no project or region is called: the provider would find out half-way. What is known
    only when it is made is not checked.
    """

    project: pulumi.Input[str]
    region: str

    def __post_init__(self) -> None:
        require(
            (
                not isinstance(self.project, str) or bool(_PROJECT.fullmatch(self.project)),
                f"project is {self.project!r}: give its id (6 to 30 lower-case letters, digits and hyphens), not its "
                "name or number",
            ),
            (
                self.region in REGIONS,
                f"region is {self.region!r}: give one such as {_nearest(self.region)}, not a zone (a region that is "
                "newer than this list belongs into components/place.py)",
            ),
        )


def _nearest(region: str) -> str:
    """The region whose name is most like another text, to name it in an error."""
    return next(iter(difflib.get_close_matches(region, sorted(REGIONS), 1)), "europe-west1")


def is_near(location: str, region: str) -> bool:
    """Whether a location is a region itself, or a multi-region that is made of such."""
    multi_region = _MULTI_REGIONS.get(location.lower())
    return region.startswith(multi_region) if multi_region else location == region
