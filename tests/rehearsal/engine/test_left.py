"""What a removal leaves is listed: with the reason where Google keeps it, as forgotten where nobody does."""

from __future__ import annotations

from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.engine import left
from omnipipe.rehearsal.world import World

P = "projects/p-dev"


def ask(plane: ControlPlane, method: str, host: str, path: str, body: object = None, **query: list[str]) -> object:
    status, answer = plane.answer(method, host, path, query, body)
    assert status == 200, answer
    return answer


def test_what_was_made_and_is_there_is_left_and_what_was_there_before_is_not() -> None:
    plane = ControlPlane(World("p-dev"))
    ask(plane, "PUT", "pubsub", f"/v1/{P}/topics/old", {})
    before = left.standing(plane)
    for topic in ("forgotten", "gone"):
        ask(plane, "PUT", "pubsub", f"/v1/{P}/topics/{topic}", {})
    ask(plane, "DELETE", "pubsub", f"/v1/{P}/topics/gone")
    ask(plane, "POST", "cloudkms", f"/v1/{P}/locations/global/keyRings", {}, keyRingId=["ring"])

    found = {each.name: each.why for each in left.left(before, plane)}

    assert found.keys() == {f"{P}/topics/forgotten", f"{P}/locations/global/keyRings/ring"}
    assert found[f"{P}/topics/forgotten"] == ""
    assert "never deletes key rings" in found[f"{P}/locations/global/keyRings/ring"]


def test_a_binding_that_is_left_on_what_stays_is_listed_with_role_and_member() -> None:
    plane = ControlPlane(World("p-dev"))
    before = left.standing(plane)
    policy = {"bindings": [{"role": "roles/viewer", "members": ["group:analysts@example.com"]}]}
    ask(plane, "POST", "cloudresourcemanager", f"/v1/{P}:setIamPolicy", {"policy": policy})

    (found,) = left.left(before, plane)
    assert found.name == f"{P}: roles/viewer for group:analysts@example.com"


def test_only_an_enabled_api_stands() -> None:
    plane = ControlPlane(World("p-dev", enabled=()))
    before = left.standing(plane)
    ask(plane, "POST", "serviceusage", f"/v1/{P}/services/run.googleapis.com:enable", {})

    (found,) = left.left(before, plane)
    assert "run.googleapis.com" in found.name
    assert "stays enabled" in found.why


def test_what_is_deleted_and_still_shown_is_not_forgotten_and_what_was_not_deleted_is() -> None:
    plane = ControlPlane(World("p-dev"))
    before = left.standing(plane)
    for role in ("kept", "gone"):
        body = {"roleId": role, "role": {"title": role, "includedPermissions": ["pubsub.topics.get"]}}
        ask(plane, "POST", "iam", f"/v1/{P}/roles", body)
    ask(plane, "DELETE", "iam", f"/v1/{P}/roles/gone")

    found = {each.name: each.why for each in left.left(before, plane)}
    assert found[f"{P}/roles/kept"] == ""
    assert "restorable for 7 days" in found[f"{P}/roles/gone"]
