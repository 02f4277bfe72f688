"""The APIs of a project: all that the program needs, and never one less because a stack is gone."""

from collections.abc import Callable

import pulumi

from components.api_services import ApiServices
from components.network import Network
from components.place import Place
from components.platform.google_project import APIS
from tests.components.mocks import Recorder, record

PLACE = Place("shop-prod", "europe-west1")

# The API of a provider's module, where they are called differently.
API_OF_MODULE = {
    "billing": "billingbudgets",
    "cloudfunctionsv2": "cloudfunctions",
    "cloudrunv2": "run",
    "kms": "cloudkms",
    "projects": "cloudresourcemanager",
    "serviceaccount": "iam",
    "sql": "sqladmin",
}


def apis(*, preview: bool = False) -> Recorder:
    def program() -> None:
        made = ApiServices("apis", PLACE, APIS)
        Network("network", PLACE, pulumi.ResourceOptions(depends_on=[made]))

    return record(program, preview=preview)


def test_each_api_is_enabled_and_stays_so_when_the_stack_goes() -> None:
    services = apis().of("projects.Service")

    assert sorted(service.inputs["service"] for service in services) == [f"{api}.googleapis.com" for api in APIS]
    for service in services:
        assert service.inputs["disableOnDestroy"] is False
        assert service.inputs["project"] == "shop-prod"
        assert service.protect
        assert service.parent == "apis"


def test_what_depends_on_the_component_waits_for_every_api() -> None:
    for preview in (False, True):
        program = apis(preview=preview)

        services = {service.name for service in program.of("projects.Service")}
        assert len(services) == len(APIS)
        # Pulumi registers a component after what it depends on, and its children after it.
        (network,) = (c for c in program.components if c.name == "network")
        assert services <= network.dependencies
        assert {r.parent for r in program.resources if r.kind.startswith("compute.")} == {"network"}
        assert program.exposed["apis"] == {}


def test_a_projects_first_apis_have_time_to_work_and_one_wait_is_enough() -> None:
    services = apis().of("projects.Service")

    (waiting,) = (service for service in services if service.after_create)
    assert waiting.after_create == ("apis-settling",)
    assert waiting.dependencies == {service.name for service in services} - {waiting.name}


def test_the_api_of_every_resource_of_the_program_is_enabled(deploy: Callable[[str], Recorder]) -> None:
    types = [resource.type for resource in deploy("everything").resources]
    modules = {type_.split(":")[1].split("/")[0] for type_ in types if type_.startswith("gcp:")}

    assert {API_OF_MODULE.get(module, module) for module in modules} <= set(APIS)
