"""A recorded preview as data: what `pulumi preview --json` says would become of each resource.

The CLI streams its events, one JSON object a line, where ``PULUMI_ENABLE_STREAMING_JSON_PREVIEW`` is set. Without it
the command prints a digest, in which what the policies say is left out:
https://github.com/pulumi/pulumi/blob/master/pkg/backend/display/json.go. Events are `apitype.EngineEvent`:
https://github.com/pulumi/pulumi/blob/master/sdk/go/common/apitype/events.go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

STREAMED = {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}

# What the engine would do, in the words of the comment. The rest ("same", "read", "refresh") changes nothing.
_WORDS = {
    "create": "created",
    "update": "changed",
    "replace": "replaced",
    "create-replacement": "replaced",
    "delete-replaced": "replaced",
    "delete": "deleted",
    "import": "imported",
}

# What the provider keeps for itself, and what it computes of properties; that alone differs where Google was changed.
_OWN = re.compile(r"__")
_DERIVED = re.compile(r"__|effectiveLabels\b|pulumiLabels\b")

# What the engine says in the end of a preview that failed, beside what made it fail.
_REPEATS = "preview failed"


class NoPreview(Exception):
    """What is no recorded preview; its text says what to do."""


@dataclass(frozen=True)
class Change:
    """What would become of a resource.

    ``properties`` are those that differ, for a replacement those that force it. ``before`` and ``after`` are its
    inputs, as far as they are known in a preview; empty for what is created, or deleted.
    """

    what: str
    urn: str
    type: str
    properties: tuple[str, ...] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The resource's name in the program."""
        return name_of(self.urn)


@dataclass(frozen=True)
class Said:
    """What the engine, the program or a policy says of a resource; ``urn`` is "" for the program as a whole."""

    urn: str
    message: str


@dataclass(frozen=True)
class Violation(Said):
    """A policy that a resource does not keep. One that is ``mandatory`` stops the deployment."""

    policy: str
    mandatory: bool


@dataclass
class Preview:
    """What a preview says. ``packs`` are the policy packs that were asked.

    ``ended`` is False where it broke off, so that the changes are not all there are.
    """

    changes: list[Change] = field(default_factory=list)
    unchanged: int = 0
    errors: list[Said] = field(default_factory=list)
    warnings: list[Said] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    packs: tuple[str, ...] = ()
    ended: bool = False

    @property
    def stops(self) -> bool:
        """Whether a deployment of this would not begin."""
        return bool(self.errors) or not self.ended or any(each.mandatory for each in self.violations)


def name_of(urn: str) -> str:
    """The name in a URN: https://www.pulumi.com/docs/iac/concepts/resources/names/#urns."""
    return urn.rpartition("::")[2]


def read(lines: Iterable[str]) -> Preview:
    """Read the streamed events of a preview. Raises NoPreview for anything else, such as the digest."""
    preview = Preview()
    changes: dict[str, Change] = {}
    for line in lines:
        try:
            event = json.loads(line)
            event["sequence"]
        except (ValueError, KeyError, TypeError) as error:
            (variable, value), *_ = STREAMED.items()
            raise NoPreview(
                f"not the events of a preview: set {variable}={value} for pulumi preview --json"
            ) from error
        if (before := event.get("resourcePreEvent")) is not None:
            _step(before["metadata"], preview, changes)
        elif (told := event.get("diagnosticEvent")) is not None and not told.get("ephemeral"):
            said = Said(told.get("urn", ""), told["message"].strip())
            if said.message == _REPEATS:
                continue
            {"error": preview.errors, "warning": preview.warnings}.get(told["severity"], []).append(said)
        elif (broken := event.get("policyEvent")) is not None:
            preview.violations.append(
                Violation(
                    urn=broken.get("resourceUrn", ""),
                    message=broken["message"].strip(),
                    policy=broken["policyName"],
                    mandatory=broken["enforcementLevel"] == "mandatory",
                )
            )
        elif (summary := event.get("summaryEvent")) is not None:
            preview.packs = tuple(summary.get("PolicyPacks") or ())
            preview.ended = summary.get("result", "succeeded") == "succeeded"
    preview.changes = list(changes.values())
    return preview


def _step(step: Mapping[str, Any], preview: Preview, changes: dict[str, Change]) -> None:
    """Note one step. A replacement is three: the new one's, its own, and the old one's."""
    what = _WORDS.get(step["op"])
    if what is None:
        preview.unchanged += step["op"] == "same"
        return
    urn = step["urn"]
    known = changes.get(urn) or Change(what, urn, step["type"])
    changes[urn] = replace(
        known,
        what=what,
        properties=_differing(step, what) or known.properties,
        before=_inputs(step.get("old")) or known.before,
        after=_inputs(step.get("new")) or known.after,
    )


def _differing(step: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """The properties that force a replacement, or all that differ; those that a program sets, if it is one of them."""
    if what not in ("replaced", "changed"):
        return ()
    forcing = step.get("keys") if what == "replaced" else None
    named = [tuple(each) for each in (forcing, step.get("detailedDiff"), step.get("diffs")) if each]
    for hidden in (_DERIVED, _OWN):
        for names in named:
            if told := tuple(name for name in names if not hidden.match(name)):
                return told
    return ()


def _inputs(state: Mapping[str, Any] | None) -> dict[str, Any]:
    inputs = (state or {}).get("inputs") or {}
    return {key: value for key, value in inputs.items() if not key.startswith("__")}
