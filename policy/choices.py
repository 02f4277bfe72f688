"""What this project chooses of its policies: a level, an option, an exemption with its reason.

A policy's name -> ``EnforcementLevel.DISABLED`` or another level, or its options. Resources are told by their names in
the program. https://www.pulumi.com/docs/insights/policy/policy-packs/configuration/
"""

from typing import Any

from pulumi_policy import EnforcementLevel

CHOICES: dict[str, EnforcementLevel | dict[str, Any]] = {
    "deletion-protection": {
        "exempt": {
            "omnipipe-code-sources": "It holds the zips of functions, which every deployment can make again."
        }
    },
    "partitioned-tables": {
        "expectedGb": {
            "omnipipe-warehouse-ops-pipeline_leases": 0.001,  # a row for each pipeline
            "omnipipe-warehouse-ops-reverse_sync_state": 0.1,  # a row for each KPI that was ever sent
        }
    },
}
