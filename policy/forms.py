"""Policies that are a table: which input of which kind of resource must have which form."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from policy.subject import Resource


@dataclass(frozen=True)
class Form:
    """The form of one input: where it is, whether a value has it, what to write otherwise, and who says so."""

    kind: str
    path: str
    holds: Callable[[Any], bool]
    words: str
    source: str


def pattern(text: str) -> Callable[[Any], bool]:
    """Whether a whole text matches an expression, in ASCII."""
    matches = re.compile(text, re.ASCII).fullmatch
    return lambda value: bool(matches(str(value)))


def kinds(*forms: Form) -> tuple[str, ...]:
    """The kinds of resources that a table speaks of."""
    return tuple(dict.fromkeys(form.kind for form in forms))


def broken(resource: Resource, *forms: Form) -> Iterator[str]:
    """What is wrong with a resource by a table, and what to write."""
    for form in forms:
        if form.kind == resource.kind:
            for value in resource.at(form.path):
                if value != "" and not form.holds(value):  # an empty text is to the provider what is not said
                    yield f"{form.path} is {value!r}: {form.words} ({form.source})"
