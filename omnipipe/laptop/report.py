"""What is where, for ``omnipipe status``: read from the registry and the process table, from no list of its own."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import psutil

from omnipipe.laptop import access, lifecycle, logs, outside_world
from omnipipe.laptop.cloud import BIGQUERY, GOOGLE, PUBSUB, Cloud
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.kinds import KINDS
from omnipipe.laptop.ports import HOST
from omnipipe.laptop.project import Project
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream import resources as datastream
from omnipipe.laptop.services.datastream import status as progress
from omnipipe.laptop.services.monitoring import alerts


def status(cloud: Cloud) -> dict[str, Any]:
    """The state of a cloud as plain data."""
    counts = Counter((resource.kind, KINDS[resource.type].effect) for resource in cloud.registry)
    return {
        "stack": cloud.home.stack,
        "project": cloud.project,
        "home": str(cloud.home.directory),
        "up": lifecycle.is_whole(cloud),
        "processes": _processes(cloud),
        "kinds": [
            {"kind": kind, "effect": effect, "count": count}
            for (kind, effect), count in sorted(counts.items())
            if effect
        ],
        "without_effect": [
            *sorted(f"{kind} ({count})" for (kind, effect), count in counts.items() if not effect),
            *(f"{resource.name}'s {words}" for resource in cloud.registry if (words := _without_effect(resource))),
        ],
        "outside_world": _outside_world(cloud),
        "streams": [_stream(cloud, stream) for stream in cloud.registry.of_type(datastream.STREAM)],
        "alerts": [asdict(alert) for alert in alerts.evaluate(cloud, logs.sources(cloud))],
    }


def _without_effect(resource: Resource) -> str:
    return KINDS[resource.type].without_effect(resource)


def _outside_world(cloud: Cloud) -> list[dict[str, Any]]:
    configured = Project.load(cloud.program, cloud.home.stack).config if cloud.program else {}
    here = outside_world.replaced(cloud)
    return [
        {
            "setting": setting,
            "configured": configured.get(setting),
            "replaced": setting in here,
            "here": here.get(setting, "not replaced"),
        }
        for simulator in cloud.declaration.simulators.values()
        for setting in simulator.settings
    ]


def memory_bytes(process: psutil.Process) -> int:
    """Memory of a process and of what it started: each one's own share, so that shared pages count once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        with suppress(psutil.Error):
            memory = one.memory_full_info()
            total += getattr(memory, "pss", memory.rss)
    return total


def _processes(cloud: Cloud) -> list[dict[str, Any]]:
    running = cloud.processes.running()
    addresses = {
        process: kind.address(resource)
        for resource in cloud.registry
        if (process := (kind := KINDS[resource.type]).process(resource))
    }
    for name in (BIGQUERY, GOOGLE, *cloud.declaration.simulators):
        addresses[name] = f"http://{HOST}:{cloud.ports.of(name)}"
    if PUBSUB in addresses:
        addresses[PUBSUB] = cloud.pubsub_url
    rows = []
    for name in lifecycle.expected_processes(cloud):
        process = running.get(name)
        rows.append(
            {
                "name": name,
                "state": "running" if process else "stopped",
                "pid": process.pid if process else None,
                "megabytes": memory_bytes(process) // 1_000_000 if process else None,
                "address": addresses[name],
            }
        )
    return rows


def _stream(cloud: Cloud, stream: Any) -> dict[str, Any]:
    said = progress.read(datastream.state_dir(cloud, stream))
    lag = None
    with suppress(LaptopError):  # it is not up: the processes above say so
        written = progress.parse_lsn(said.confirmed_lsn) if said else 0
        lag = max(0, progress.parse_lsn(access.log_position(cloud, stream)) - written)
    name, desired = datastream.process_name(stream), datastream.desired_state(stream)
    if desired != datastream.RUNNING:
        state = desired
    elif name in cloud.processes.running():
        state = said.state if said else "unknown"
    else:  # what a worker said last is not how it is when it is gone
        state = "stopped"
    return {
        "name": name,
        "state": state,
        "lag_bytes": lag,
        "error": said.error if said else None,
    }
