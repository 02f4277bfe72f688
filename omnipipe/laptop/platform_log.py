"""What Google's own services log: Workflows of a failed execution, Cloud Scheduler of each attempt.

On Google these entries stand beside those of the workloads; here they are one file of ``LogEntry`` objects
(https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry), one a line.
"""

import json
from datetime import UTC, datetime
from typing import Any

from omnipipe.laptop.home import Home

NAME = "platform"


def write(home: Home, resource_type: str, labels: dict[str, str], severity: str, payload: dict[str, Any]) -> None:
    """Append an entry of the monitored resource that ``resource_type`` and ``labels`` name."""
    entry = {
        "timestamp": datetime.now(UTC).isoformat(),
        "severity": severity,
        "resource": {"type": resource_type, "labels": labels},
        "jsonPayload": payload,
    }
    with home.log_file(NAME).open("a") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")
