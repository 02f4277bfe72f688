"""All policies, in the order in which docs/policies.md tells them, and what is chosen of them."""

from typing import Any

from pulumi_policy import EnforcementLevel, Policy

from policy import (
    bigquery_tables,
    budgets,
    clocks,
    cloud_functions,
    cloud_run,
    cloud_sql,
    dashboards,
    encryption,
    exposure,
    grants,
    identity,
    labelling,
    locations,
    messaging,
    naming,
    protection,
    transfers,
    values,
    workflow_sources,
)
from policy.choices import CHOICES

SAFETY: list[Policy] = [
    grants.no_public_grants,
    grants.no_basic_roles,
    exposure.no_account_keys,
    exposure.private_buckets,
    exposure.no_public_objects,
    exposure.no_public_datasets,
    exposure.private_databases,
    exposure.no_open_services,
    labelling.labels,
    encryption.customer_managed_keys,
    protection.deletion_protection,
    bigquery_tables.partitioned_tables,
    locations.one_location,
]
VALIDITY: list[Policy] = [
    naming.names,
    values.allowed_values,
    grants.role_names,
    identity.identity_providers,
    locations.regions,
    clocks.cron_lines,
    clocks.time_zones,
    clocks.durations,
    bigquery_tables.table_schemas,
    transfers.transfers,
    cloud_sql.database_addresses,
    cloud_sql.database_versions,
    cloud_sql.database_tiers,
    cloud_sql.database_flags,
    cloud_functions.function_runtimes,
    cloud_functions.function_limits,
    cloud_run.run_limits,
    workflow_sources.workflow_sources,
    dashboards.dashboards,
    messaging.subscriptions,
    budgets.budget_amounts,
]
# What is not on a list of ours, which may be older than it.
KNOWN: list[Policy] = [
    grants.unknown_roles,
    locations.unknown_regions,
    cloud_sql.unknown_database_versions,
    cloud_sql.unknown_database_tiers,
    cloud_sql.unknown_database_flags,
    cloud_functions.unknown_runtimes,
    transfers.unknown_transfer_parameters,
]
POLICIES = [*SAFETY, *VALIDITY, *KNOWN]


def configuration() -> dict[str, EnforcementLevel | dict[str, Any]]:
    """What ``policy.choices`` chooses, with a level for each: the engine takes options without one for a warning.

    Raises KeyError for a policy that there is not.
    """
    levels = {policy.name: policy.enforcement_level for policy in POLICIES}
    return {
        name: {"enforcementLevel": levels[name], **chosen} if isinstance(chosen, dict) else chosen
        for name, chosen in CHOICES.items()
    }
