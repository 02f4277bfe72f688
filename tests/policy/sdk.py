"""What the provider's SDK says of its resources: which inputs there are, down to any depth."""

import typing
from typing import Any

import pulumi_gcp
from pulumi import _types


def has_input(kind: str, path: str) -> bool:
    """Whether resources of a kind, such as ``storage.Bucket``, take an input at a path."""
    module, _, name = kind.partition(".")
    taken: Any = getattr(getattr(pulumi_gcp, module), f"{name}Args")
    for key in path.split("."):
        inputs = _types.input_type_types(taken) if taken else {}
        if key not in inputs:
            return False
        taken = _within(inputs[key])
    return True


def _within(hint: Any) -> Any:
    """The type of the parts of an input: without lists, options and outputs around it."""
    if isinstance(hint, type) and _types.is_input_type(hint):
        return hint
    found = (_within(argument) for argument in typing.get_args(hint))
    return next((part for part in found if part is not None), None)
