"""How a policy is written: a function of one resource, or of a whole stack, that yields what is wrong.

    @resource_policy("cloudscheduler.Job", source="https://cloud.google.com/scheduler/docs/configuring/cron-job-schedules")
    def cron_lines(job: Resource) -> Iterator[str]:
        \"""A schedule is a cron line of five fields.\"""
        for line in job.at("schedule"):
            if not is_cron(line):
                yield f"schedule is {line!r}: write a cron line of five fields, such as '0 5 * * *'"

The function's name is the policy's, with hyphens, and its docstring the description. What is malformed is an error,
``MANDATORY``; what is only unknown to a list of ours is a warning, ``ADVISORY``.

Each policy passes over the resources that its ``exempt`` names, with a reason each: see ``policy.choices``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from inspect import getdoc
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

MANDATORY, ADVISORY = EnforcementLevel.MANDATORY, EnforcementLevel.ADVISORY

_TYPE = re.compile(r"gcp:(\w+)/\w+:(\w+)")
_EXEMPT = {
    "type": "object",
    "additionalProperties": {"type": "string", "minLength": 1},
    "description": "Names of resources that this policy passes over, and why.",
}


class _Unknown:
    """What a value is that nobody knows before `up`."""


_UNKNOWN = _Unknown()


@dataclass(frozen=True)
class Resource:
    """A resource of the program as a policy sees it.

    ``kind`` is its type in short, such as ``storage.Bucket``; ``name`` is the program's name for it; ``config`` is the
    policy's own.
    """

    kind: str
    name: str
    urn: str
    props: Mapping[str, Any]
    provider: Mapping[str, Any]
    config: Mapping[str, Any]

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """Its inputs as plain data, with Pulumi's names of them."""
        return _plain(self.props)

    @property
    def stack(self) -> str:
        """The name of the stack that it belongs to: a URN is ``urn:pulumi:STACK::PROJECT::TYPE::NAME``."""
        return self.urn.removeprefix("urn:pulumi:").partition("::")[0]

    def at(self, path: str) -> Iterator[Any]:
        """The values at a path of inputs that are known; of a list on the way, those of each part.

        ``settings.databaseFlags.name`` gives the name of each flag.
        """
        return (value for value in _at(self.inputs, path.split(".")) if value is not _UNKNOWN)

    def has(self, path: str) -> bool:
        """Whether there is a value at a path, known or not."""
        return any(True for _ in _at(self.inputs, path.split(".")))

    def is_known(self, path: str) -> bool:
        """Whether nothing at a path waits for `up`."""
        return _UNKNOWN not in _at(self.inputs, path.split("."))


def _at(value: Any, keys: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for part in value:
            yield from _at(part, keys)
    elif value is _UNKNOWN or not keys:
        if value is not None:
            yield value
    elif isinstance(value, dict):
        yield from _at(value.get(keys[0]), keys[1:])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _part(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_part(value, index) for index in range(len(value))]
    return (
        int(value) if isinstance(value, float) and value.is_integer() else value
    )  # as numbers come from the engine


def _part(value: Any, key: Any) -> Any:
    try:
        return _plain(value[key])
    except UnknownValueError:
        return _UNKNOWN


def resource_policy(
    *kinds: str,
    source: str,
    level: EnforcementLevel = MANDATORY,
    config: Mapping[str, dict[str, Any]] | None = None,
) -> Callable[[Callable[[Resource], Iterator[str]]], ResourceValidationPolicy]:
    """Make a policy of a check of one resource of these kinds, which may have ``*`` in them.

    ``source`` is the address of what the rule rests on; ``config`` describes what can be chosen of it, as JSON schemas.
    """
    matches = re.compile("|".join(map(translate, kinds))).fullmatch

    def policy_of(check: Callable[[Resource], Iterator[str]]) -> ResourceValidationPolicy:
        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            kind = _kind(args.resource_type)
            if matches(kind) and args.name not in args.get_config().get("exempt", ()):
                provider = args.provider.props if args.provider else {}
                resource = Resource(kind, args.name, args.urn, args.props, provider, args.get_config())
                for problem in check(resource):
                    report(problem, None)

        return ResourceValidationPolicy(**_described(check, source, level, config), validate=validate)

    return policy_of


def stack_policy(
    *, source: str, level: EnforcementLevel = MANDATORY
) -> Callable[[Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]], StackValidationPolicy]:
    """Make a policy of a check of all resources of a stack, which yields the resource beside what is wrong with it."""

    def policy_of(check: Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]) -> StackValidationPolicy:
        def validate(args: StackValidationArgs, report: ReportViolation) -> None:
            exempt = args.get_config().get("exempt", ())
            seen = [_seen(each, args.get_config()) for each in args.resources if each.name not in exempt]
            for resource, problem in check(seen):
                report(problem, resource.urn)

        return StackValidationPolicy(**_described(check, source, level, None), validate=validate)

    return policy_of


def _seen(resource: PolicyResource, config: Mapping[str, Any]) -> Resource:
    provider = resource.provider.props if resource.provider else {}
    return Resource(_kind(resource.resource_type), resource.name, resource.urn, resource.props, provider, config)


def _kind(type_: str) -> str:
    found = _TYPE.fullmatch(type_)
    return f"{found[1]}.{found[2]}" if found else type_


def _described(
    check: Callable[..., Any], source: str, level: EnforcementLevel, config: Mapping[str, dict[str, Any]] | None
) -> dict[str, Any]:
    return {
        "name": check.__name__.replace("_", "-"),
        "description": " ".join((getdoc(check) or "").split()),
        "enforcement_level": level,
        "config_schema": PolicyConfigSchema({**(config or {}), "exempt": _EXEMPT}),
        "url": source,
    }
