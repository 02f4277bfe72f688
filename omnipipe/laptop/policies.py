"""Pulumi policy packs: what they say of a program, before anything of it is made.

A pack is a folder with a PulumiPolicy.yaml, as `pulumi preview --policy-pack FOLDER` takes it. Here it runs in this
process, with plain calls in place of the engine's. https://www.pulumi.com/docs/insights/policy/
"""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from inspect import isawaitable
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyCustomTimeouts,
    PolicyPack,
    PolicyResource,
    PolicyResourceOptions,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.policy import _NotApplicableError
from pulumi_policy.proxy import UnknownValueError, unknown_checking_proxy

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.program import as_the_engine_runs_it
from omnipipe.laptop.project import read_yaml
from omnipipe.laptop.registry import Resource

FILE = "PulumiPolicy.yaml"


@dataclass(frozen=True)
class Violation:
    """What a policy says of a resource. ``mandatory``: it must not be made so; otherwise it is a warning."""

    policy: str
    resource: str
    mandatory: bool
    message: str

    def __str__(self) -> str:
        return f"{self.resource}: {self.message} (policy {self.policy})"


def refuse(violations: Iterable[Violation]) -> None:
    """Raise LaptopError for what must not be made so: in one line, or with a line for each."""
    if refused := [str(violation) for violation in violations if violation.mandatory]:
        between = "\n" if len(refused) > 1 else " "
        told = "\n".join(refused)
        raise LaptopError(f"policies refuse the program, and nothing of it was made:{between}{told}")


@dataclass(frozen=True)
class Pack:
    """The policies of a pack, and what it chooses of them: of each by name its level and options."""

    policies: Sequence[Policy]
    level: EnforcementLevel = EnforcementLevel.ADVISORY
    choices: Mapping[str, EnforcementLevel | Mapping[str, Any]] | None = None

    @staticmethod
    def load(folder: Path) -> Pack:
        """Run a pack's program, as the engine does, and take the policies that it hands to ``PolicyPack``.

        Raises LaptopError for a folder that holds no pack, or one in another language, and for an error of its own.
        """
        project, _ = read_yaml(folder / FILE)
        runtime = project.get("runtime")
        language = runtime.get("name") if isinstance(runtime, dict) else runtime
        if language != "python":
            raise LaptopError(f"{folder / FILE}: its runtime is {language}: the laptop runs packs in Python")
        main = folder / project.get("main", ".")
        with _collected() as packs, as_the_engine_runs_it(main):
            try:
                runpy.run_path(str(main), run_name="__main__")
            except Exception as error:
                raise LaptopError(f"the policy pack {folder} failed: {type(error).__name__}: {error}") from error
        if len(packs) != 1:
            raise LaptopError(
                f"{main / '__main__.py'} makes {len(packs)} packs: write PolicyPack(NAME, POLICIES) once"
            )
        return packs[0]

    def violations(self, resources: Iterable[Resource], project: str, stack: str) -> list[Violation]:
        """What the policies say of a program's resources, resource by resource, then of the stack.

        Nothing is said of a value that is known only when it is made.
        """
        seen = [_seen(resource, project, stack) for resource in resources]
        return [violation for policy in self.policies for violation in self._of(policy, seen)]

    def _of(self, policy: Policy, seen: Sequence[PolicyResource]) -> Iterator[Violation]:
        level, options = self._chosen(policy)
        if level is EnforcementLevel.DISABLED:
            return
        found: list[Violation] = []
        by_urn = {resource.urn: resource for resource in seen}

        def reporter(about: PolicyResource | None) -> Any:
            def report(message: str, urn: str | None = None) -> None:
                said = by_urn.get(urn or "", about)
                resource = Resource(said.resource_type, said.name, {}) if said else None
                told = f"{resource.kind} {resource.name}" if resource else "the stack"
                mandatory = level is not EnforcementLevel.ADVISORY
                found.append(Violation(policy.name, told, mandatory, message or policy.description))

            return report

        if isinstance(policy, ResourceValidationPolicy) and policy.has_validation():
            for each in seen:
                args = ResourceValidationArgs(
                    each.resource_type, each.props, each.urn, each.name, each.opts, each.provider, options
                )
                with suppress(UnknownValueError, _NotApplicableError):
                    _ended(policy.validate(args, reporter(each)))
        elif isinstance(policy, StackValidationPolicy):
            with suppress(UnknownValueError, _NotApplicableError):
                _ended(policy.validate(StackValidationArgs(list(seen), options), reporter(None)))
        yield from found

    def _chosen(self, policy: Policy) -> tuple[EnforcementLevel, dict[str, Any]]:
        """The level and the options of a policy: what is chosen, before what it says itself.

        As with the engine, which the SDK tells of options without a level as advisory.
        """
        schema = policy.config_schema.properties if policy.config_schema else {}
        defaults = {key: option["default"] for key, option in schema.items() if "default" in option}
        chosen = self.choices.get(policy.name) if self.choices else None
        if chosen is None:
            return policy.enforcement_level or self.level, defaults
        if isinstance(chosen, EnforcementLevel):
            return chosen, defaults
        options = {**defaults, **chosen}
        return options.pop("enforcementLevel", EnforcementLevel.ADVISORY), options


@contextmanager
def _collected() -> Iterator[list[Pack]]:
    """The packs that are made meanwhile. ``PolicyPack`` itself would start a server and wait for the engine."""
    made: list[Pack] = []

    def collect(
        self: PolicyPack,
        name: str,
        policies: list[Policy],
        enforcement_level: EnforcementLevel | None = None,
        initial_config: Mapping[str, Any] | None = None,
        *_: Any,
        **__: Any,
    ) -> None:
        made.append(Pack(policies, enforcement_level or EnforcementLevel.ADVISORY, initial_config))

    original = PolicyPack.__init__
    PolicyPack.__init__ = collect  # of the class, however the pack has imported it
    try:
        yield made
    finally:
        PolicyPack.__init__ = original


def _seen(resource: Resource, project: str, stack: str) -> PolicyResource:
    """A resource as the SDK shows it to policies, without parent and dependencies, which the laptop does not keep."""
    urn = f"urn:pulumi:{stack}::{project}::{resource.type}::{resource.name}"
    options = PolicyResourceOptions(resource.protect, [], None, [], PolicyCustomTimeouts(0, 0, 0), [], None)
    props = unknown_checking_proxy(resource.inputs)
    return PolicyResource(resource.type, props, urn, resource.name, options, None, None, [], {})


def _ended(result: Any) -> None:
    """Wait for a policy that is a coroutine."""
    if isawaitable(result):

        async def wait() -> None:
            await result

        asyncio.run(wait())
