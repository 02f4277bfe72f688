"""What goes wrong in a workflow: problems found at deployment, errors raised while it runs.

An error of the language is a map with `message` and `tags`, as Google's documentation describes
(https://cloud.google.com/workflows/docs/reference/syntax/error-types). Some tags come with the
tag of their family, for example `["KeyError", "LookupError"]`.
"""

from dataclasses import dataclass
from typing import Any

_FAMILIES = {
    "KeyError": "LookupError",
    "IndexError": "LookupError",
    "ZeroDivisionError": "ArithmeticError",
    "ConnectionFailedError": "ConnectionError",
    "UnhandledBranchError": "RuntimeError",
}


@dataclass(frozen=True)
class Problem:
    """One reason to refuse a workflow: where it is, and what to do about it."""

    filename: str
    line: int
    step: str | None
    message: str

    def __str__(self) -> str:
        step = f"step '{self.step}': " if self.step else ""
        return f"{self.filename}:{self.line}: {step}{self.message}"


def in_order(problems: list[Problem]) -> list[Problem]:
    """Problems once each, in the order of the file."""
    return sorted(set(problems), key=lambda problem: (problem.line, problem.message))


class WorkflowRefused(Exception):
    """The source is not a deployable workflow; `problems` holds every reason, in the order of the file."""

    def __init__(self, problems: list[Problem]):
        self.problems = in_order(problems)
        super().__init__("\n".join(map(str, self.problems)))


class WorkflowError(Exception):
    """An error that the workflow raised or ran into.

    `error` is the value an `except` block would see: mostly a map with `message` and `tags`, or
    whatever the workflow gave to `raise`. `context` says where it happened.
    """

    def __init__(self, error: Any):
        super().__init__(error)
        self.error = error
        self.context: str | None = None

    def __str__(self) -> str:
        message = self.error.get("message") if isinstance(self.error, dict) else None
        text = message if isinstance(message, str) else repr(self.error)
        return f"{text} ({self.context})" if self.context else text


class WorkflowCancelled(WorkflowError):
    """The execution was stopped from outside."""

    def __init__(self) -> None:
        super().__init__({"message": "the execution was cancelled", "tags": ["Cancelled"]})


class Stop(Exception):
    """Carries a cancellation out of the steps: not an error of the language, so that no `except` catches it."""


def failure(tag: str, message: str, **fields: Any) -> WorkflowError:
    """Make the error for `tag`, with the tag's family beside it and any further `fields` in its map."""
    tags = [tag, _FAMILIES[tag]] if tag in _FAMILIES else [tag]
    return WorkflowError({"message": f"{tag}: {message}", "tags": tags, **fields})


def from_host(error: Exception) -> WorkflowError:
    """Translate an exception of Python's own, raised by a library function, into the language's error."""
    for host, tag in _HOST_TAGS:
        if isinstance(error, host):
            return failure(tag, str(error) or tag)
    raise error


_HOST_TAGS = (
    (RecursionError, "RecursionError"),
    (ZeroDivisionError, "ZeroDivisionError"),
    (KeyError, "KeyError"),
    (IndexError, "IndexError"),
    (TypeError, "TypeError"),
    (ValueError, "ValueError"),
    (OverflowError, "ValueError"),
)
HOST_ERRORS = tuple(host for host, _ in _HOST_TAGS)
