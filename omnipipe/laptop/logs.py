"""The logs of a cloud: what the program's resources write, and Google's own services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from omnipipe.laptop import platform_log
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.services.monitoring.entries import Source

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud


def sources(cloud: Cloud) -> list[Source]:
    """Every log of a cloud that belongs to one of the program's resources."""
    logs = [log for resource in cloud.registry if (log := KINDS[resource.type].log(cloud, resource))]
    return [
        Source(cloud.home.log_file(platform_log.NAME), None),
        *(Source(cloud.home.log_file(log.writer), {"type": log.type, "labels": log.labels}) for log in logs),
    ]
