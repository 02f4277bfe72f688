"""Cloud Run's services and jobs: limits that there are, in units that there are."""

import re
from collections.abc import Iterator

from policy.forms import Form, broken, kinds, pattern
from policy.subject import Resource, resource_policy

# Where the containers of a kind are.
_TEMPLATES = {"cloudrunv2.Job": "template.template", "cloudrunv2.Service": "template"}
_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_MEMORY = re.compile(r"([1-9]\d*)([KMG]i|[kMG])?")
_LIMITS = ("cpu", "memory", "nvidia.com/gpu")
_MOST_MEMORY_GI = 32
# https://cloud.google.com/run/docs/configuring/services/cpu: processors, and the memory in GiB that they need
_CPUS = {"1": 0, "2": 0, "4": 2, "6": 4, "8": 4}
_QUOTAS = "https://cloud.google.com/run/quotas"

_FORMS = (
    Form(
        "cloudrunv2.Job",
        "template.template.maxRetries",
        lambda retries: 0 <= retries <= 10,
        "give 0 to 10",
        _QUOTAS,
    ),
    Form(
        "cloudrunv2.Job",
        "template.template.timeout",
        lambda timeout: not _SECONDS(timeout) or 1 <= float(timeout[:-1]) <= 7 * 86400,
        "give 1s to 604800s, which is seven days",
        _QUOTAS,
    ),
    Form(
        "cloudrunv2.Service",
        "template.timeout",
        lambda timeout: not _SECONDS(timeout) or 1 <= float(timeout[:-1]) <= 3600,
        "give 1s to 3600s",
        _QUOTAS,
    ),
)
_SECONDS = pattern(r"\d+(\.\d+)?s")  # what is none is told by the policy of durations


@resource_policy(*kinds(*_FORMS), source=_QUOTAS)
def run_limits(workload: Resource) -> Iterator[str]:
    """What a container may have is processors, memory and GPUs, as much as Cloud Run has, for as long as it allows."""
    yield from broken(workload, *_FORMS)
    for limits in workload.at(f"{_TEMPLATES[workload.kind]}.containers.resources.limits"):
        for name in limits:
            if name not in _LIMITS:
                yield f"resources.limits has {name!r}: Cloud Run has {', '.join(_LIMITS)}"
        yield from _wrong_sizes(limits.get("cpu"), limits.get("memory"))


def _wrong_sizes(cpu: object, memory: object) -> Iterator[str]:
    found = _MEMORY.fullmatch(memory) if isinstance(memory, str) else None
    gibibytes = int(found[1]) * _UNITS[found[2] or ""] / 2**30 if found else None
    if isinstance(memory, str) and gibibytes is None:
        yield f"memory is {memory!r}: write a number and a unit, such as 512Mi or 2Gi"
    if gibibytes is not None and gibibytes > _MOST_MEMORY_GI:
        yield f"memory is {memory}: Cloud Run has {_MOST_MEMORY_GI}Gi at most"
    if isinstance(cpu, str):
        whole = str(int(cpu[:-1]) // 1000) if re.fullmatch(r"\d+000m", cpu) else cpu
        if whole not in _CPUS and not re.fullmatch(r"0?\.\d+|\d{2,3}m", whole):
            yield f"cpu is {cpu!r}: write one of {', '.join(_CPUS)}, or less than one, such as 500m"
        elif gibibytes is not None and gibibytes < _CPUS.get(whole, 0):
            yield f"memory is {memory}: {whole} processors need {_CPUS[whole]}Gi at least"
