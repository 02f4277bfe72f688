"""What is wrong with a step of a rehearsal, in terms of who has to mend it: a resource, a request, Google's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omnipipe.rehearsal.engine.engine import Failure, Outcome
from omnipipe.rehearsal.journal import Exchange

# What is gone with its data when it is replaced. Types of https://www.pulumi.com/registry/packages/gcp/.
HOLDS_DATA = frozenset(
    {
        "gcp:bigquery/dataset:Dataset",
        "gcp:bigquery/table:Table",
        "gcp:firestore/database:Database",
        "gcp:kms/cryptoKey:CryptoKey",
        "gcp:pubsub/subscription:Subscription",
        "gcp:secretmanager/secret:Secret",
        "gcp:spanner/database:Database",
        "gcp:sql/database:Database",
        "gcp:sql/databaseInstance:DatabaseInstance",
        "gcp:storage/bucket:Bucket",
    }
)


# The provider asks who is logged in, for its log alone, and goes on without an answer: `LogGoogleIdentities` in
# https://github.com/hashicorp/terraform-provider-google-beta/blob/main/google-beta/transport/config.go.
_ASKED_IN_VAIN = frozenset({"openidconnect.googleapis.com:443"})


@dataclass(frozen=True)
class Problem:
    """``resource`` is the name in the program and ``type`` its type, "" for the program as a whole; ``request`` what
    Google refused, "" where it was not asked.
    """

    resource: str
    type: str
    request: str
    error: str


def of_failures(outcome: Outcome, exchanges: Sequence[Exchange]) -> list[Problem]:
    """What could not be done, with the request that was refused."""
    refused = [each for each in exchanges if each.status >= 400 and each.message]
    found = []
    for failure in outcome.failures:
        request = next((each.request for each in reversed(refused) if each.message in failure.message), "")
        found.append(_problem(failure, request))
    return found


def of_policies(outcome: Outcome) -> list[Problem]:
    """What a policy forbids."""
    return [_problem(each, "") for each in outcome.policies]


def of_strangers(exchanges: Sequence[Exchange]) -> list[Problem]:
    """Hosts that were asked beside Google's control plane: something of the program would leave this machine."""
    hosts = {each.host: each for each in exchanges if not each.path and each.host not in _ASKED_IN_VAIN}
    return [Problem("", "", f"{each.method} {host}", each.message) for host, each in sorted(hosts.items())]


def of_changes(outcome: Outcome) -> list[Problem]:
    """What would be changed though nothing did change."""
    return [
        Problem(
            each.name, each.type, "", f"would {each.what}, though nothing has changed: {_list(each.properties)}"
        )
        for each in outcome.changes
    ]


def of_lost_data(outcome: Outcome) -> list[Problem]:
    """What holds data and was replaced or deleted."""
    return [
        Problem(each.name, each.type, "", f"{each.what}, with its data: {_list(each.properties)}")
        for each in outcome.changes
        if each.what in ("replace", "delete") and each.type in HOLDS_DATA
    ]


def of_refusal(outcome: Outcome) -> list[Problem]:
    """What is wrong with a removal that should have been refused because of what is protected."""
    protected = any("protected" in failure.message for failure in outcome.failures)
    return [] if protected else [Problem("", "", "", "what is protected would be destroyed")]


def _problem(failure: Failure, request: str) -> Problem:
    _, _, types = failure.urn.rpartition("::")[0].rpartition("::")
    return Problem(failure.urn.rpartition("::")[2], types.rpartition("$")[2], request, failure.message)


def _list(properties: Sequence[str]) -> str:
    return ", ".join(properties) or "the engine does not say where"
