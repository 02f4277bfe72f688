"""Checks of arguments that several components take. The provider lets all of it through, and `up` fails half-way."""

import re

# https://cloud.google.com/iam/docs/principal-identifiers
_MEMBER = re.compile(r"((user|group|serviceAccount):[^@\s:]+@|domain:)[^@\s:]+\.[^@\s:]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BILLING_ACCOUNT = re.compile(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}")
# https://cloud.google.com/bigquery/docs/locations
_BIGQUERY_LOCATION = re.compile(r"EU|US|[a-z]+-[a-z]+[0-9]{1,2}")


def require(*rules: tuple[bool, str]) -> None:
    """Check arguments together. A rule is whether it holds, and what to say and do when it does not.

    Raises ValueError with the words of every rule that does not hold.
    """
    if broken := [words for holds, words in rules if not holds]:
        raise ValueError("; ".join(broken))


def is_member(text: str) -> bool:
    """Whether a grant may name this: a person, a group, a service account or a domain. Never everybody."""
    return bool(_MEMBER.fullmatch(text))


def is_bigquery_location(text: str) -> bool:
    """Whether BigQuery may keep data here: ``EU``, ``US``, or a region in lower case."""
    return bool(_BIGQUERY_LOCATION.fullmatch(text))


def is_email(text: str) -> bool:
    """Whether mail can be sent to this address, by its form."""
    return bool(_EMAIL.fullmatch(text))


def is_billing_account(text: str) -> bool:
    """Whether this is the id of a billing account, by its form."""
    return bool(_BILLING_ACCOUNT.fullmatch(text))
