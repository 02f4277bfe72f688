"""What was wrong with a step is told with the resource, the request and Google's words."""

from __future__ import annotations

from omnipipe.rehearsal.engine import problems
from omnipipe.rehearsal.engine.engine import Change, Failure, Outcome
from omnipipe.rehearsal.engine.problems import Problem
from omnipipe.rehearsal.journal import Exchange

URN = "urn:pulumi:dev::shop::shop:components:Store$gcp:pubsub/topic:Topic::orders"


def exchange(
    status: int, message: str, path: str = "/v1/projects/p/topics/orders", host: str = "pubsub"
) -> Exchange:
    return Exchange("PUT", host, path, {}, status, {"error": {"message": message}}, 0.0)


def test_a_failure_has_the_request_that_google_refused_with_these_words() -> None:
    outcome = Outcome(failures=[Failure(URN, "Error creating Topic: googleapi: Error 403: It is not enabled.")])
    exchanges = [exchange(404, "Not found."), exchange(403, "It is not enabled."), exchange(200, "")]

    (found,) = problems.of_failures(outcome, exchanges)

    assert found == Problem(
        "orders",
        "gcp:pubsub/topic:Topic",
        "PUT pubsub/v1/projects/p/topics/orders",
        "Error creating Topic: googleapi: Error 403: It is not enabled.",
    )


def test_a_failure_of_the_program_has_neither() -> None:
    outcome = Outcome(failures=[Failure("", "ValueError: region is 'x'")])
    assert problems.of_failures(outcome, [exchange(404, "Not found.")]) == [
        Problem("", "", "", "ValueError: region is 'x'")
    ]


def test_a_host_beside_the_control_plane_is_named_once_and_the_harmless_one_is_not() -> None:
    asked = [
        Exchange("CONNECT", host, "", None, 403, {"error": {"message": f"no way to {host}"}}, 0.0)
        for host in ("api.example.com:443", "api.example.com:443", "openidconnect.googleapis.com:443")
    ]
    (found,) = problems.of_strangers([*asked, exchange(200, "")])
    assert (found.request, found.error) == ("CONNECT api.example.com:443", "no way to api.example.com:443")


def test_what_changes_though_nothing_changed_is_told_with_its_properties() -> None:
    changed = Outcome(changes=[Change("update", URN, "gcp:pubsub/topic:Topic", ("labels", "kmsKeyName"))])
    (found,) = problems.of_changes(changed)
    assert (found.resource, found.error) == (
        "orders",
        "would update, though nothing has changed: labels, kmsKeyName",
    )


def test_data_is_lost_by_a_replacement_or_a_deletion_of_what_holds_it() -> None:
    table = "gcp:bigquery/table:Table"
    outcome = Outcome(
        changes=[
            Change("replace", "urn::a::t::facts", table, ("location",)),
            Change("update", "urn::a::t::facts", table),
            Change("replace", "urn::a::t::job", "gcp:cloudrunv2/job:Job"),
            Change("delete", "urn::a::t::files", "gcp:storage/bucket:Bucket"),
        ]
    )
    assert [(each.resource, each.error) for each in problems.of_lost_data(outcome)] == [
        ("facts", "replace, with its data: location"),
        ("files", "delete, with its data: the engine does not say where"),
    ]


def test_a_removal_of_what_is_protected_has_to_be_refused_for_that() -> None:
    told = "resource 'urn' cannot be deleted because it is protected"
    assert problems.of_refusal(Outcome(ended=False, failures=[Failure("urn", told)])) == []
    for wrong in (Outcome(), Outcome(ended=False, failures=[Failure("", "the program ended")])):
        assert "would be destroyed" in problems.of_refusal(wrong)[0].error
