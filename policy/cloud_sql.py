"""Instances of Cloud SQL: a way to them, a machine that their edition has, a version and flags that there are."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from components.checks import is_tier
from policy import descriptions
from policy.subject import ADVISORY, Resource, resource_policy

_API = "sqladmin.v1"
_VERSION = re.compile(r"(POSTGRES|MYSQL|SQLSERVER)(_[0-9A-Z]+)+")
_PLUS, _ENTERPRISE = "ENTERPRISE_PLUS", "ENTERPRISE"
# https://cloud.google.com/sql/docs/postgres/machine-series-overview, as of 2026-11
_MACHINES_AS_OF = "2026-11"
_PLUS_MACHINES = re.compile(r"db-(perf-optimized-N|memory-optimized-N|c4a-highmem)-\d+(-lssd)?")
_ENTERPRISE_MACHINES = re.compile(r"db-(f1-micro|g1-small|custom-\S+|n1-(standard|highmem)-\d+)")
# What PostgreSQL knows and Cloud SQL decides itself, and what to write instead.
# https://cloud.google.com/sql/docs/postgres/flags
_DECIDED = {
    "wal_level": "cloudsql.logical_decoding=on makes it logical",
    "shared_preload_libraries": "cloudsql.enable_pg_cron=on and its like load them",
    **dict.fromkeys(
        (
            *(
                "archive_command",
                "archive_mode",
                "data_directory",
                "fsync",
                "full_page_writes",
                "listen_addresses",
            ),
            *("logging_collector", "port", "ssl", "unix_socket_directories"),
        ),
        "Cloud SQL decides it",
    ),
}
_SWITCHES = re.compile(r"cloudsql\.(enable_\w+|iam_authentication|logical_decoding)")
_FLAGS = Path(__file__).with_name("flags.txt")


@resource_policy("sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/configure-ip")
def database_addresses(instance: Resource) -> Iterator[str]:
    """A database has an address: a private one, Private Service Connect, or a public one."""
    ways = "settings.ipConfiguration"
    private = instance.has(f"{ways}.privateNetwork")
    connected = not instance.is_known(f"{ways}.pscConfigs.pscEnabled") or True in instance.at(
        f"{ways}.pscConfigs.pscEnabled"
    )
    if False in instance.at(f"{ways}.ipv4Enabled") and not private and not connected:
        yield "nothing leads to it: set private_network, or psc_configs with psc_enabled=True"


@resource_policy("sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/db-versions")
def database_versions(instance: Resource) -> Iterator[str]:
    """A version is an engine and a number: POSTGRES_17."""
    for version in instance.at("databaseVersion"):
        if not _VERSION.fullmatch(version):
            yield f"databaseVersion is {version!r}: write one such as POSTGRES_17"


@resource_policy(
    "sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/db-versions", level=ADVISORY
)
def unknown_database_versions(instance: Resource) -> Iterator[str]:
    """A version is one that Cloud SQL has."""
    known = descriptions.values(_API, "DatabaseInstance", "databaseVersion")
    for version in instance.at("databaseVersion"):
        if _VERSION.fullmatch(version) and version not in known:
            yield f"{version} was no version of Cloud SQL's on {descriptions.as_of(_API)}: is it spelled right?"


def _edition(instance: Resource) -> str:
    """The edition, which for PostgreSQL 16 and newer is Enterprise Plus where the program does not say.

    https://cloud.google.com/sql/docs/postgres/editions-intro
    """
    version = next(instance.at("databaseVersion"), "")
    newer = (
        version.startswith("POSTGRES_") and version.removeprefix("POSTGRES_").isdigit() and int(version[9:]) >= 16
    )
    return next(instance.at("settings.edition"), _PLUS if newer else _ENTERPRISE)


@resource_policy(
    "sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/machine-series-overview"
)
def database_tiers(instance: Resource) -> Iterator[str]:
    """A machine is one of its edition's, with as much memory as its processors take."""
    edition = _edition(instance)
    other = _PLUS_MACHINES if edition == _ENTERPRISE else _ENTERPRISE_MACHINES
    for tier in instance.at("settings.tier"):
        if edition in (_PLUS, _ENTERPRISE) and other.fullmatch(tier):
            such = "db-custom-2-7680" if edition == _ENTERPRISE else "db-perf-optimized-N-2"
            yield f"the edition {edition} has no {tier}: take one such as {such}, or set the other edition"
        elif re.fullmatch(r"db-custom-\d+-\d+", tier) and not is_tier(tier):
            yield (
                f"there is no {tier}: take 1 or an even number of processors, and 3840 or more MB in steps of 256, at "
                "most 6656 for each"
            )


@resource_policy(
    "sql.DatabaseInstance",
    source="https://cloud.google.com/sql/docs/postgres/machine-series-overview",
    level=ADVISORY,
)
def unknown_database_tiers(instance: Resource) -> Iterator[str]:
    """A machine is one that Cloud SQL has."""
    for tier in instance.at("settings.tier"):
        if not _PLUS_MACHINES.fullmatch(tier) and not _ENTERPRISE_MACHINES.fullmatch(tier):
            yield f"{tier} was no machine of Cloud SQL's in {_MACHINES_AS_OF}: is it spelled right?"


def _flags(instance: Resource) -> Iterator[tuple[str, str]]:
    """The flags with their values, as far as both are known."""
    for flag in instance.at("settings.databaseFlags"):
        name, value = flag.get("name"), flag.get("value")
        if isinstance(name, str) and isinstance(value, str):
            yield name, value


@resource_policy("sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/flags")
def database_flags(instance: Resource) -> Iterator[str]:
    """A flag is not what Cloud SQL decides itself, and a switch is on or off."""
    for name, value in _flags(instance):
        if name in _DECIDED:
            yield f"the flag {name} cannot be set: {_DECIDED[name]}"
        elif _SWITCHES.fullmatch(name) and value not in ("on", "off"):
            yield f"the flag {name} is {value!r}: write on or off"


@resource_policy("sql.DatabaseInstance", source="https://cloud.google.com/sql/docs/postgres/flags", level=ADVISORY)
def unknown_database_flags(instance: Resource) -> Iterator[str]:
    """A flag of a Postgres is one that Cloud SQL has."""
    if next(instance.at("databaseVersion"), "").startswith("POSTGRES"):
        known, as_of = _known_flags()
        for name, _ in _flags(instance):
            if name not in known and name not in _DECIDED:
                yield f"Cloud SQL had no flag {name} in {as_of}: is it spelled right?"


@cache
def _known_flags() -> tuple[frozenset[str], str]:
    head, *lines = _FLAGS.read_text().splitlines()
    return frozenset(name for line in lines for name in line.split()), head.rpartition(" ")[2]
