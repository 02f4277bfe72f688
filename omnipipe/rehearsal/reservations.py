"""Addresses in a subnetwork that Cloud Run holds: of a service, of a job that has run, and for a while after these.

They cannot be given back by hand: https://cloud.google.com/run/docs/configuring/vpc-direct-vpc#ip-allocation
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from datetime import timedelta

from omnipipe.rehearsal import references
from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.store import Record

# An hour or two, as long as that page has one wait before the subnetwork is deleted.
HELD_S = 2 * 3600
_RAN = ("executionCount", "runExecutionToken", "startExecutionToken")  # of a job
_KEY = "held"


def address(user: Record, subnetwork: Record) -> str:
    """The address that a workload has in a subnetwork, "" for one that never ran."""
    if user.host != "run" or not (user.collection == "services" or any(user.body.get(key) for key in _RAN)):
        return ""
    place = subnetwork.name.rpartition("/subnetworks/")[0]
    return f"{place}/addresses/serverless-ipv4-{zlib.crc32(user.name.encode())}"


def outlive(call: Call, user: Record) -> None:
    """Let the addresses of a workload that is deleted be held on."""
    ends = call.plane.clock.now() + timedelta(seconds=HELD_S)
    for host, name in references.of(call, user.body):
        subnetwork = call.other(host, name)
        if subnetwork and subnetwork.collection == "subnetworks" and (held := address(user, subnetwork)):
            subnetwork.hidden.setdefault(_KEY, {})[held] = ends


def held(call: Call, subnetwork: Record) -> Iterator[str]:
    """The addresses that are held on in a subnetwork."""
    now = call.plane.clock.now()
    yield from (name for name, ends in subnetwork.hidden.get(_KEY, {}).items() if now < ends)
