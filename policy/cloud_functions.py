"""Functions: a runtime that there is, memory in a unit that there is, and not too long an answer."""

import re
from collections.abc import Iterator

from policy.forms import Form, broken, kinds, pattern
from policy.subject import ADVISORY, Resource, resource_policy

_RUNTIME = re.compile(r"(python3|nodejs|go1|java|dotnet|ruby|php)\d+")
# Those that functions can be deployed with: https://cloud.google.com/functions/docs/runtime-support
_RUNTIMES_AS_OF = "2026-11"
_RUNTIMES = {
    *("python310", "python311", "python312", "python313", "python314", "nodejs22", "nodejs24", "nodejs26"),
    *("go124", "go125", "go126", "java17", "java21", "java25", "dotnet8", "dotnet10"),
    *("ruby33", "ruby34", "ruby40", "php82", "php83", "php84", "php85"),
}
_LIMITS = "https://cloud.google.com/functions/quotas"
_EVENT_S, _HTTP_S = 540, 3600

_FORMS = (
    Form(
        "cloudfunctionsv2.Function",
        "serviceConfig.availableMemory",
        pattern(r"[1-9]\d*(\.\d+)?([KMG]i?|k)?"),
        "write a number and a unit such as 512Mi or 1Gi, without B",
        "https://cloud.google.com/functions/docs/configuring/memory",
    ),
    Form(
        "cloudfunctionsv2.Function",
        "serviceConfig.availableCpu",
        pattern(r"\d+(\.\d+)?|\d+m"),
        "write a number of processors, such as 1 or 0.5",
        "https://cloud.google.com/functions/docs/configuring/memory",
    ),
    Form(
        "cloudfunctionsv2.Function",
        "serviceConfig.timeoutSeconds",
        lambda seconds: 1 <= seconds <= _HTTP_S,
        f"give 1 to {_HTTP_S} seconds",
        _LIMITS,
    ),
)


@resource_policy(*kinds(*_FORMS), source=_LIMITS)
def function_limits(function: Resource) -> Iterator[str]:
    """A function's memory, processors and time are written as Google does, and within its limits."""
    yield from broken(function, *_FORMS)
    for seconds in function.at("serviceConfig.timeoutSeconds"):
        if function.has("eventTrigger") and _EVENT_S < seconds <= _HTTP_S:
            yield f"serviceConfig.timeoutSeconds is {seconds}: a function of events has {_EVENT_S} s ({_LIMITS})"


@resource_policy("cloudfunctionsv2.Function", source="https://cloud.google.com/functions/docs/runtime-support")
def function_runtimes(function: Resource) -> Iterator[str]:
    """A runtime is a language and its version, without a dot."""
    for runtime in function.at("buildConfig.runtime"):
        if not _RUNTIME.fullmatch(runtime):
            yield f"buildConfig.runtime is {runtime!r}: write one such as python312"


@resource_policy(
    "cloudfunctionsv2.Function", source="https://cloud.google.com/functions/docs/runtime-support", level=ADVISORY
)
def unknown_runtimes(function: Resource) -> Iterator[str]:
    """A runtime is one that functions can be deployed with."""
    for runtime in function.at("buildConfig.runtime"):
        if _RUNTIME.fullmatch(runtime) and runtime not in _RUNTIMES:
            yield f"no function could be deployed with {runtime} in {_RUNTIMES_AS_OF}: take one such as python312"
