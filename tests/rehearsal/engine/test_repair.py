"""What an answer that got lost leaves: the command that imports it, or deletes what would be there twice."""

from __future__ import annotations

from typing import Any

from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.engine import repair
from omnipipe.rehearsal.engine.engine import Failure, Outcome, Registered
from omnipipe.rehearsal.faults import Fault
from omnipipe.rehearsal.journal import Exchange
from omnipipe.rehearsal.world import World

P = "projects/p-dev"


def make(plane: ControlPlane, method: str, host: str, path: str, body: Any) -> Any:
    status, answer = plane.answer(method, host, path, {}, body)
    assert status == 200, answer
    return answer


def outcome(urn: str, type_: str, message: str) -> Outcome:
    return Outcome(failures=[Failure(urn, message)], registered={urn: Registered(type_, "", "")})


def test_what_google_refuses_as_taken_is_imported_by_its_name() -> None:
    plane = ControlPlane(World("p-dev"))
    path = f"/v1/{P}/topics/orders"
    make(plane, "PUT", "pubsub", path, {})
    refused = Exchange("PUT", "pubsub", path, {}, 409, {"error": {"message": "Resource already exists"}}, 0.0)
    urn = "urn:pulumi:dev::shop::gcp:pubsub/topic:Topic::orders"
    failed = outcome(urn, "gcp:pubsub/topic:Topic", "Error creating Topic: Error 409: Resource already exists")

    (found,) = repair.imports(failed, [refused], plane)

    assert found.command == (
        f"pulumi import gcp:pubsub/topic:Topic orders {P}/topics/orders --protect=false --generate-code=false"
    )


def test_what_the_provider_finds_before_it_makes_it_is_imported_too() -> None:
    plane = ControlPlane(World("p-dev"))
    role = {"title": "Teller", "includedPermissions": ["storage.objects.get"]}
    make(plane, "POST", "iam", f"/v1/{P}/roles", {"roleId": "teller", "role": role})
    urn = "urn:pulumi:dev::shop::gcp:projects/iAMCustomRole:IAMCustomRole::teller"
    words = f"Custom project role {P}/roles/teller already exists and must be imported"

    (found,) = repair.imports(outcome(urn, "gcp:projects/iAMCustomRole:IAMCustomRole", words), [], plane)

    assert f"gcp:projects/iAMCustomRole:IAMCustomRole teller {P}/roles/teller " in found.command


def test_another_failure_is_repaired_by_nothing() -> None:
    plane = ControlPlane(World("p-dev"))
    urn = "urn:pulumi:dev::shop::gcp:pubsub/topic:Topic::orders"
    assert repair.imports(outcome(urn, "gcp:pubsub/topic:Topic", "Error 403: no"), [], plane) == []


def test_what_google_gives_an_id_of_its_own_is_deleted_once_another_is_in_the_state() -> None:
    plane = ControlPlane(World("p-dev"))
    path = f"/v3/{P}/notificationChannels"
    channel = {"type": "email", "labels": {"email_address": "a@example.com"}}
    first = make(plane, "POST", "monitoring", path, channel)
    lost = Exchange("POST", "monitoring", path, channel, 200, first, 0.0, Fault.LOST)
    known = [{"id": first["name"]}]

    assert repair.orphans([lost], known) == []
    (found,) = repair.orphans([lost], [{"id": "another"}])

    number = first["name"].rpartition("/")[2]
    assert found.command.startswith("curl -X DELETE ")
    assert found.command.endswith(f"https://monitoring.googleapis.com{path}/{number}")
    assert isinstance(found, repair.Deletion)
    status, _ = plane.answer(found.method, found.host, found.path, {}, None)
    assert status == 200


def test_a_version_of_a_secret_is_destroyed() -> None:
    answer = {"name": f"{P}/secrets/s/versions/1"}
    lost = Exchange("POST", "secretmanager", f"/v1/{P}/secrets/s:addVersion", {}, 200, answer, 0.0, Fault.LOST)
    (found,) = repair.orphans([lost], [])
    assert found.command.endswith(f"https://secretmanager.googleapis.com/v1/{P}/secrets/s/versions/1:destroy")
