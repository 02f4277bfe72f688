"""Instances of Cloud SQL."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import Policy

from policy import descriptions
from policy.cloud_sql import (
    database_addresses,
    database_flags,
    database_tiers,
    database_versions,
    unknown_database_flags,
    unknown_database_tiers,
    unknown_database_versions,
)
from tests.policy.conftest import asked, resource, said

KIND = "sql.DatabaseInstance"


def instance(version: str = "POSTGRES_17", **settings: Any) -> dict[str, Any]:
    """The inputs of an instance."""
    return {"databaseVersion": version, "settings": settings}


def addressed(**ways: Any) -> dict[str, Any]:
    """An instance with these ways to it."""
    return instance(ipConfiguration=ways)


def flagged(name: str, value: str = "on", version: str = "POSTGRES_17") -> dict[str, Any]:
    """An instance with one flag."""
    return instance(version, databaseFlags=[{"name": name, "value": value}])


PLUS, ENTERPRISE = {"edition": "ENTERPRISE_PLUS"}, {"edition": "ENTERPRISE"}
REFUSED = [
    (database_addresses, addressed(ipv4Enabled=False), "nothing leads to it"),
    (database_addresses, addressed(ipv4Enabled=False, pscConfigs=[{"pscEnabled": False}]), "nothing leads to it"),
    (database_versions, instance("POSTGRES17"), "databaseVersion is 'POSTGRES17'"),
    (database_versions, instance("postgres_17"), "write one such as POSTGRES_17"),
    (database_tiers, instance(tier="db-f1-micro"), "the edition ENTERPRISE_PLUS has no db-f1-micro"),
    (
        database_tiers,
        instance("POSTGRES_16", tier="db-custom-2-7680"),
        "the edition ENTERPRISE_PLUS has no db-custom-2-7680",
    ),
    (database_tiers, instance(tier="db-custom-2-7680", **PLUS), "take one such as db-perf-optimized-N-2"),
    (database_tiers, instance(tier="db-n1-standard-2", **PLUS), "has no db-n1-standard-2"),
    (database_tiers, instance(tier="db-perf-optimized-N-2", **ENTERPRISE), "take one such as db-custom-2-7680"),
    (
        database_tiers,
        instance("POSTGRES_15", tier="db-perf-optimized-N-2"),
        "the edition ENTERPRISE has no db-perf",
    ),
    (
        database_tiers,
        instance("MYSQL_8_4", tier="db-c4a-highmem-8"),
        "the edition ENTERPRISE has no db-c4a-highmem-8",
    ),
    (
        database_tiers,
        instance(tier="db-custom-3-7680", **ENTERPRISE),
        "there is no db-custom-3-7680: take 1 or an even",
    ),
    (database_tiers, instance(tier="db-custom-2-7000", **ENTERPRISE), "in steps of 256"),
    (database_flags, flagged("wal_level", "logical"), "cloudsql.logical_decoding=on makes it logical"),
    (database_flags, flagged("shared_preload_libraries", "x"), "the flag shared_preload_libraries cannot be set"),
    (database_flags, flagged("ssl"), "the flag ssl cannot be set: Cloud SQL decides it"),
    (database_flags, flagged("cloudsql.iam_authentication", "true"), "is 'true': write on or off"),
    (database_flags, flagged("cloudsql.enable_pg_cron", "1"), "the flag cloudsql.enable_pg_cron is '1'"),
]
UNKNOWN_TO_US = [
    (unknown_database_versions, instance("POSTGRES_99"), "POSTGRES_99 was no version of Cloud SQL's on 20"),
    (
        unknown_database_tiers,
        instance(tier="db-standard-2"),
        "db-standard-2 was no machine of Cloud SQL's in 2026-11",
    ),
    (unknown_database_flags, flagged("max_conections"), "Cloud SQL had no flag max_conections in 2026-11"),
]
TAKEN = [
    addressed(ipv4Enabled=True),
    addressed(privateNetwork="projects/p/global/networks/n", ipv4Enabled=False),
    addressed(privateNetwork=UNKNOWN, ipv4Enabled=False),
    addressed(ipv4Enabled=False, pscConfigs=[{"pscEnabled": True}]),
    addressed(ipv4Enabled=False, pscConfigs=UNKNOWN),
    instance(tier="db-f1-micro", **ENTERPRISE),
    instance("POSTGRES_15", tier="db-g1-small"),
    instance("MYSQL_8_0_37", tier="db-custom-2-7680"),
    instance("SQLSERVER_2022_STANDARD", tier="db-custom-2-7680"),
    instance(tier="db-perf-optimized-N-2"),
    instance(tier="db-c4a-highmem-8-lssd", **PLUS),
    instance(tier=UNKNOWN, edition=UNKNOWN),
    flagged("cloudsql.logical_decoding"),
    flagged("cloudsql.logical_decoding", "off"),
    flagged("max_connections", "50"),
    flagged("cloudsql.logical_decoding", UNKNOWN),
    flagged(UNKNOWN),
    flagged("innodb_buffer_pool_size", "50", "MYSQL_8_0"),
    {"databaseVersion": UNKNOWN, "settings": UNKNOWN},
]


@pytest.mark.parametrize(("policy", "inputs", "words"), REFUSED)
def test_an_instance_that_cloud_sql_refuses(policy: Policy, inputs: dict[str, Any], words: str) -> None:
    (message,) = said(policy, KIND, inputs)
    assert words in message


@pytest.mark.parametrize(("policy", "inputs", "words"), UNKNOWN_TO_US)
def test_what_is_on_no_list_is_a_warning(policy: Policy, inputs: dict[str, Any], words: str) -> None:
    (violation,) = asked(policy, resource(KIND, inputs))
    assert words in violation.message
    assert not violation.mandatory


@pytest.mark.parametrize("inputs", TAKEN)
@pytest.mark.parametrize(
    "policy",
    [
        *(database_addresses, database_versions, database_tiers, database_flags),
        *(unknown_database_versions, unknown_database_tiers, unknown_database_flags),
    ],
    ids=lambda policy: policy.name,
)
def test_an_instance_that_cloud_sql_takes(policy: Policy, inputs: dict[str, Any]) -> None:
    assert not said(policy, KIND, inputs)


def test_the_day_of_googles_own_list_is_told() -> None:
    (message,) = said(unknown_database_versions, KIND, instance("POSTGRES_99"))
    assert f"on {descriptions.as_of('sqladmin.v1')}:" in message


def test_what_is_wrong_is_told_once() -> None:
    """What is malformed is not unknown as well, and what Cloud SQL decides is no unknown flag."""
    assert not said(unknown_database_versions, KIND, instance("POSTGRES17"))
    assert not said(unknown_database_flags, KIND, flagged("wal_level"))
