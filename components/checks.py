"""Checks of arguments that several components take. The provider lets all of it through, and `up` fails half-way."""

import re
from collections.abc import Iterable

# https://cloud.google.com/iam/docs/principal-identifiers
_MEMBER = re.compile(r"(user|group|serviceAccount):[^@\s:]+@[^@\s:]+\.[^@\s:]+")
# https://cloud.google.com/bigquery/docs/locations
_BIGQUERY_LOCATION = re.compile(r"EU|US|[a-z]+-[a-z]+[0-9]{1,2}")


def refuse(component: str, problems: Iterable[str]) -> None:
    """Raise ValueError with all problems of a component's arguments at once, if there are any."""
    if text := "; ".join(problems):
        raise ValueError(f"{component}: {text}")


def require(*rules: tuple[bool, str]) -> None:
    """Check arguments together. A rule is whether it holds, and what to say and do when it does not.

    Raises ValueError with the words of every rule that does not hold.
    """
    if broken := [words for holds, words in rules if not holds]:
        raise ValueError("; ".join(broken))


def member_problem(argument: str, member: str) -> str | None:
    """What is wrong with who gets a grant, if anything: a person, a group or a service account by its address."""
    if _MEMBER.fullmatch(member):
        return None
    return f"{argument} has {member!r}: write group:, user: or serviceAccount: and an e-mail address"


def bigquery_location_problem(argument: str, location: str) -> str | None:
    """What is wrong with a location of BigQuery, if anything: ``EU``, ``US``, or a region in lower case."""
    if _BIGQUERY_LOCATION.fullmatch(location):
        return None
    return f"{argument} is {location!r}: give EU, US, or a region such as europe-west1"
