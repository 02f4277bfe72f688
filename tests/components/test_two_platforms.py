"""Platforms of a larger program: two do not collide, and one may be in a project that the program makes."""

import dataclasses
import re
from functools import cache

import pulumi
import pulumi_gcp as gcp
import pytest

from components.labels import is_label_value
from components.place import Place
from components.platform.platform import Platform
from omnipipe.contracts.tables import DATASETS
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.laptop.project import Project
from stacks.settings import Settings
from tests.components.conftest import EVERYTHING
from tests.components.mocks import Recorder, record

PROJECTS = {"north": "shop-north", "south": "shop-south"}
# What Pulumi calls after the resource, with a hyphen and seven letters more; the most that Google takes:
# https://cloud.google.com/compute/docs/naming-resources, and for key rings
# https://cloud.google.com/kms/docs/reference/rest/v1/projects.locations.keyRings/create
CALLED_BY_PULUMI = ("compute.", "kms.KeyRing", "sql.DatabaseInstance")
LONGEST = 63 - len("-1a2b3c4")


@cache
def platforms(*names: str) -> Recorder:
    """Platforms with all that a stack may leave out, each in a Google project of its own."""

    def program() -> None:
        settings = Settings.load()
        for name in names:
            place = Place(PROJECTS.get(name, "shop-prod"), "europe-west1")
            Platform(name, dataclasses.replace(settings, place=place))

    config = {**Project.load(PROJECT_ROOT, "prod").config, **EVERYTHING}
    return record(program, config=config, stack="prod")


def test_no_two_resources_have_one_urn_and_no_two_hooks_one_name() -> None:
    program = platforms("north", "south")

    # A URN is made of these two, and of the types of the parents.
    told_by = [(made.type, made.name) for made in program.registrations]
    assert sorted(set(told_by)) == sorted(told_by)
    assert sorted(set(program.hooks)) == sorted(program.hooks)
    assert {hook.partition("-")[0] for hook in program.hooks} == set(PROJECTS)
    assert len(told_by) == 2 * len(platforms("north").registrations)


def test_every_name_begins_with_its_components() -> None:
    program = platforms("north", "south")

    components = {made.name for made in program.components}
    outermost = [made.name for made in program.registrations if made.parent not in components]
    assert sorted(outermost) == sorted(PROJECTS)
    for made in program.registrations:
        assert made.name in PROJECTS or made.name.startswith(f"{made.parent}-"), made.parent
    assert {hook.rpartition("-")[0] for hook in program.hooks} <= components - set(PROJECTS)


def test_what_google_calls_them_does_not_depend_on_the_platforms_name() -> None:
    program = platforms("north", "south")

    for project in PROJECTS.values():
        datasets = [made.inputs for made in program.of("bigquery.Dataset") if made.inputs["project"] == project]
        assert sorted(inputs["datasetId"] for inputs in datasets) == sorted(DATASETS)
        jobs = [made.inputs["name"] for made in program.of("cloudrunv2.Job") if made.inputs["project"] == project]
        assert sorted(jobs) == ["capture", "dbt", "migrate", "probe", "validate"]


def test_the_longest_name_of_a_platform_leaves_room_for_all_that_begins_with_it() -> None:
    program = platforms("p" * 20)

    labels = [made.inputs.get("labels") or made.inputs.get("userLabels") or {} for made in program.resources]
    components = {label["component"] for label in labels if "component" in label}
    assert len(components) > 10
    assert all(map(is_label_value, components))
    called = [made.name for made in program.resources if made.kind.startswith(CALLED_BY_PULUMI)]
    assert len(called) == 9
    assert max(map(len, called)) <= LONGEST


@pytest.mark.parametrize("preview", [False, True])
def test_its_project_may_be_made_by_the_same_program(preview: bool) -> None:
    def program() -> None:
        project = gcp.organizations.Project("shop", project_id="shop-prod", name="Shop")
        made = pulumi.Output.concat(project.project_id)
        Platform("omnipipe", dataclasses.replace(Settings.load(), place=Place(made, "europe-west1")))

    config = {**Project.load(PROJECT_ROOT, "prod").config, **EVERYTHING}
    inside = record(program, config=config, stack="prod", preview=preview)

    wanted = {made.name: made.inputs for made in platforms("omnipipe").resources}
    found = {made.name: made.inputs for made in inside.resources}
    assert found.keys() - {"shop"} == wanted.keys()
    if not preview:
        assert {name: inputs for name, inputs in wanted.items() if inputs != found[name]} == {}


@pytest.mark.parametrize("name", ["p" * 21, "North", "2nd", "north-", "north_1", ""])
def test_a_name_that_nothing_could_begin_with_is_told(name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"a platform is called {name!r}: take up to 20 lower-case")):
        platforms(name)
