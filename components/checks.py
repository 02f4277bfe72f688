"""Checks of arguments. The provider lets all of it through, and `up` fails half-way.

The components ask them of what they are given, and the policy pack of every program's resources.
"""

import re

# https://cloud.google.com/iam/docs/principal-identifiers
_MEMBER = re.compile(r"((user|group|serviceAccount):[^@\s:]+@|domain:)[^@\s:]+\.[^@\s:]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_BILLING_ACCOUNT = re.compile(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}")
# https://cloud.google.com/bigquery/docs/locations
_BIGQUERY_LOCATION = re.compile(r"EU|US|[a-z]+-[a-z]+[0-9]{1,2}")
# https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create (secretId)
_SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
# https://cloud.google.com/bigquery/docs/datasets#dataset-naming
_DATASET_ID = re.compile(r"\w{1,1024}", re.ASCII)
# https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create (accountId)
_ACCOUNT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
# https://cloud.google.com/iam/docs/roles-overview#role-names
_ROLE = re.compile(r"((projects|organizations)/[a-z0-9.:-]+/)?roles/[A-Za-z0-9_.]+")
_CUSTOM_TIER = re.compile(r"db-custom-(\d+)-(\d+)")


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


def is_secret_id(text: str) -> bool:
    """Whether a secret may be called so."""
    return bool(_SECRET_ID.fullmatch(text))


def is_dataset_id(text: str) -> bool:
    """Whether a dataset of BigQuery may be called so."""
    return bool(_DATASET_ID.fullmatch(text))


def is_account_id(text: str) -> bool:
    """Whether a service account may be called so, before its @."""
    return bool(_ACCOUNT_ID.fullmatch(text))


def is_role(text: str) -> bool:
    """Whether a role may be called so: ``roles/run.invoker``, or ``projects/…/roles/…`` for one's own."""
    return bool(_ROLE.fullmatch(text))


def is_tier(tier: str) -> bool:
    """Whether Cloud SQL's Enterprise edition has a machine type: https://cloud.google.com/sql/docs/postgres/create-instance."""
    if tier in ("db-f1-micro", "db-g1-small"):
        return True
    custom = _CUSTOM_TIER.fullmatch(tier)
    if not custom:
        return False
    cpus, memory_mb = int(custom[1]), int(custom[2])
    fits = max(3840, 922 * cpus) <= memory_mb <= 6656 * cpus and memory_mb % 256 == 0
    return fits and (cpus == 1 or (cpus % 2 == 0 and 2 <= cpus <= 96))
