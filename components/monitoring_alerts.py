"""What can be watched: a figure that is logged, and the errors of a service."""

import re
from dataclasses import dataclass
from typing import Literal

import pulumi

from components.checks import require

Severity = Literal["CRITICAL", "ERROR", "WARNING"]
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that a person should hear of.

    ``title`` is also the heading of its part of ``runbook``, a page of the runbooks; ``advice`` is what comes with
    the notification: what it means, and what to do first.
    """

    title: str
    severity: Severity
    runbook: str
    advice: str

    @property
    def anchor(self) -> str:
        """The address of its heading in the page, as GitHub forms it."""
        return self.title.lower().replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class Figure(Alert):
    """A figure that a job logs under ``name``. It fires at ``threshold`` and above.

    ``unit`` is a unit of measure of https://ucum.org: h, By, 1.
    """

    name: str
    unit: Literal["h", "By", "1"]
    threshold: float


@dataclass(frozen=True, kw_only=True)
class ServiceKind(Alert):
    """A kind of Google's services: how its log entries are told, and what counts as an error among them.

    ``name`` is what a person calls it; ``resource_type`` and ``label`` are Google's, of the entries of its log;
    ``errors`` is a filter of Cloud Logging.
    """

    name: str
    resource_type: str
    label: str
    errors: str = "severity>=ERROR"


@dataclass(frozen=True)
class Service:
    """A service whose errors are watched. ``id`` is what the label of its kind says, if that is not its name.

    A database's is ``PROJECT:INSTANCE``. Raises ValueError for a name that no metric can have.
    """

    kind: ServiceKind
    name: str
    id: pulumi.Input[str] | None = None

    def __post_init__(self) -> None:
        require(
            (
                bool(_NAME.fullmatch(self.name)),
                f"a {self.kind.name} is called {self.name!r}: its metric's name takes lower-case letters, digits and "
                "hyphens, at most 63",
            )
        )
