"""Where things are: in places that exist, and all of them in one."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from components.place import REGIONS, REGIONS_AS_OF, is_near
from policy.subject import ADVISORY, Resource, resource_policy, stack_policy

_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_ZONE = re.compile(rf"({_REGION.pattern})-[a-z]")
_ANYWHERE = "global"


def _places(resource: Resource) -> Iterator[str]:
    """Where a resource is. Cloud Storage alone takes upper case for a region; what is deployed may have an address."""
    for path in ("region", "location"):
        for each in resource.at(path):
            place = each.rpartition("/")[2]
            yield place.lower() if resource.kind == "storage.Bucket" else place


@resource_policy("*.*", source="https://cloud.google.com/compute/docs/regions-zones")
def regions(resource: Resource) -> Iterator[str]:
    """A region is written in lower case, and is no zone."""
    for region in resource.at("region"):
        if zone := _ZONE.fullmatch(region):
            yield f"region is the zone {region}: write {zone[1]}"
    for place in _places(resource):
        if _REGION.fullmatch(place.lower()) and place != place.lower():
            yield f"{place} is no region: write {place.lower()}"


@resource_policy("*.*", source="https://cloud.google.com/compute/docs/regions-zones", level=ADVISORY)
def unknown_regions(resource: Resource) -> Iterator[str]:
    """A region is one that there is."""
    for place in _places(resource):
        if _REGION.fullmatch(place) and place not in REGIONS:
            yield f"there was no region {place} in {REGIONS_AS_OF}: is it spelled right?"


@stack_policy(source="https://cloud.google.com/bigquery/docs/locations#specify_locations")
def one_location(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """All of a stack is in one region, or in the multi-region around it: data that leaves it costs, and may not."""
    places = [(resource, place) for resource in stack for place in _places(resource) if place != _ANYWHERE]
    counted = Counter(place for _, place in places if _REGION.fullmatch(place))
    if not counted:
        return
    ((home, _),) = counted.most_common(1)
    for resource, place in places:
        if not is_near(place, home):
            yield resource, f"it is in {place}, and most of the stack in {home}: put it there, too"
