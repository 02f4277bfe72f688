"""Policies asked of a few resources without the engine, as `omnipipe up` asks them."""

from typing import Any

from pulumi_policy import Policy

from omnipipe.laptop.policies import Pack, Violation
from omnipipe.laptop.registry import Resource


def resource(kind: str, inputs: dict[str, Any], name: str = "it") -> Resource:
    """A resource of a kind in short: ``storage.Bucket``."""
    module, _, type_ = kind.partition(".")
    return Resource(f"gcp:{module}/{type_[0].lower()}{type_[1:]}:{type_}", name, inputs)


def asked(policy: Policy, *resources: Resource, stack: str = "dev", **options: Any) -> list[Violation]:
    """What one policy says of resources."""
    options.setdefault("enforcementLevel", policy.enforcement_level)
    return Pack([policy], choices={policy.name: options}).violations(resources, "project", stack)


def said(policy: Policy, kind: str, inputs: dict[str, Any], **options: Any) -> list[str]:
    """What one policy says of one resource."""
    return [violation.message for violation in asked(policy, resource(kind, inputs), **options)]
