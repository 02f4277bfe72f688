"""The comment of a pull request, in GitHub's Markdown: what the change does, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from omnipipe.rehearsal.engine.problems import HOLDS_DATA, Problem
from omnipipe.review import grants
from omnipipe.review.grants import Grants
from omnipipe.review.models import Models
from omnipipe.review.preview import Change, Preview, Said, name_of

# By which the comment is found again, to be updated in place; GitHub does not show it.
MARKER = "<!-- omnipipe comment -->"
# GitHub takes 65,536 characters: https://github.com/orgs/community/discussions/41331.
_LONGEST = 60_000
_ROWS = 60  # of a table; the rest is counted
_ORDER = ("replaced", "deleted", "changed", "imported", "created")


@dataclass(frozen=True)
class Stack:
    """What is known of a stack: ``preview`` of the change, and ``source``, in words, of what it was compared with.

    ``rehearsal`` says in words what the rehearsal was, "" where there was none; ``problems`` is what it found.
    """

    name: str
    source: str
    preview: Preview | None = None
    rehearsal: str = ""
    problems: Sequence[Problem] = ()

    @property
    def stops(self) -> bool:
        """Whether the change cannot be deployed as it is."""
        return bool(self.problems) or (self.preview is not None and self.preview.stops)


@dataclass(frozen=True)
class Review:
    """All that a comment tells. ``against`` is the base in words, "" where there is none; so is ``golden``, a diff."""

    against: str = ""
    stacks: Sequence[Stack] = ()
    models: Models = field(default_factory=Models)
    golden: str = ""


def render(review: Review) -> str:
    """The comment. Its last part, the golden files' difference, is cut off where GitHub would refuse the whole."""
    lines = [MARKER, "## What this change does", ""]
    if review.against:
        lines += [f"Compared with {review.against}.", ""]
    for stack in review.stacks:
        lines += _stack(stack)
    lines += _models(review.models)
    text = "\n".join(lines).rstrip() + "\n"
    if len(text) > _LONGEST:
        text = text[:_LONGEST].rpartition("\n")[0] + "\n\n… and more than a comment can hold.\n"
    if review.golden:
        text += _golden(review.golden, _LONGEST - len(text))
    return text


def _stack(stack: Stack) -> Iterator[str]:
    yield from (f"### Stack {stack.name}", "", f"{stack.source}.", "")
    if stack.preview is not None:
        yield from _preview(stack.preview)
    if stack.rehearsal:
        count = len(stack.problems)
        found = f"**{count} problem{'s' if count > 1 else ''}**" if count else "no problem"
        yield from (f"Rehearsal: {found}, {stack.rehearsal}.", "")
        yield from _said(
            Said(each.resource, "\n".join(filter(None, (each.request, each.error)))) for each in stack.problems
        )


def _preview(preview: Preview) -> Iterator[str]:
    changes = sorted(preview.changes, key=lambda each: (_ORDER.index(each.what), not _loses_data(each), each.name))
    yield from (_summary(preview), "")
    if not preview.ended:
        yield from ("**The preview did not end: there may be more than this.**", "")
    yield from _table(("", "resource", "type", "because of"), [_row(each) for each in changes])
    yield from _grants(grants.of(changes))
    for title, said in (("Errors", preview.errors), ("Warnings", preview.warnings)):
        if said:
            yield from (f"**{title}**", "")
            yield from _said(said)
    yield from _policies(preview)


def _loses_data(change: Change) -> bool:
    return change.what in ("replaced", "deleted") and change.type in HOLDS_DATA


def _summary(preview: Preview) -> str:
    """How many of each, and how many of those hold data."""
    if not preview.changes:
        return f"Nothing would change ({preview.unchanged} resources)." if preview.ended else "Nothing is known."
    counts = Counter(each.what for each in preview.changes)
    losing = Counter(each.what for each in preview.changes if _loses_data(each))
    told = []
    for what in _ORDER:
        if counts[what]:
            data = f", of which {losing[what]} with data" if losing[what] else ""
            text = f"{counts[what]} {what}{data}"
            told.append(f"**{text}**" if what == "replaced" or data else text)
    return f"{' · '.join(told)} · {preview.unchanged} unchanged."


def _row(change: Change) -> tuple[str, ...]:
    what = f"{change.what}, with its data" if _loses_data(change) else change.what
    bold = "**" if change.what == "replaced" or _loses_data(change) else ""
    because = ", ".join(map(_code, change.properties))
    return f"{bold}{what}{bold}", f"{bold}{_code(change.name)}{bold}", _code(change.type), because


def _grants(found: Grants) -> Iterator[str]:
    if not (found.given or found.taken):
        return
    yield from ("**Grants**", "")
    rows = [("given", each) for each in found.given] + [("taken away", each) for each in found.taken]
    yield from _table(
        ("", "role", "member", "on"),
        [(sign, _code(each.role), _code(each.member), _code(each.resource)) for sign, each in rows],
    )


def _policies(preview: Preview) -> Iterator[str]:
    if not preview.violations:
        if preview.packs:
            yield from (f"Policies: all of {', '.join(map(_code, preview.packs))} are kept.", "")
        return
    yield from ("**Policies**", "")
    rows = sorted(preview.violations, key=lambda each: (not each.mandatory, each.policy, each.urn))
    yield from _table(
        ("", "policy", "resource", "what it says"),
        [
            (
                "**forbidden**" if each.mandatory else "advice",
                _code(each.policy),
                _code(name_of(each.urn)),
                _line(each.message),
            )
            for each in rows
        ],
    )


def _models(models: Models) -> Iterator[str]:
    rows = [
        (what, ", ".join(map(_code, names)))
        for what, names in (("changed", models.changed), ("below them", models.below), ("gone", models.gone))
        if names
    ]
    if rows:
        yield from ("### dbt models", "")
        yield from _table(("", "models"), rows)


def _golden(difference: str, room: int) -> str:
    """Folded, in a fence that is longer than any in it."""
    fence = "`" * (1 + max((len(run) for run in difference.split() if set(run) == {"`"}), default=2))
    added, removed = (
        sum(line[:1] == sign and line[:3] != sign * 3 for line in difference.splitlines()) for sign in "+-"
    )
    summary = f"<details><summary>{added} lines more, {removed} lines less</summary>"
    head = f"\n### Golden files\n\n{summary}\n\n{fence}diff\n"
    foot = f"\n{fence}\n\n</details>\n"
    if len(head) + len(difference) + len(foot) > room:
        foot = f"\n… and more than a comment can hold{foot}"
        difference = difference[: max(0, room - len(head) - len(foot))].rpartition("\n")[0]
    return head + difference.rstrip("\n") + foot


def _said(said: Iterable[Said]) -> Iterator[str]:
    lines = [f"- {_code(name_of(each.urn))}{': ' if each.urn else ''}{_line(each.message)}" for each in said]
    yield from (*lines, "") if lines else ()


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield f"| {' | '.join(titles)} |"
    yield "|" + "---|" * len(titles)
    for row in rows[:_ROWS]:
        yield f"| {' | '.join(row)} |"
    yield ""
    if len(rows) > _ROWS:
        yield from (f"… and {len(rows) - _ROWS} more.", "")


def _code(text: str) -> str:
    """A name as it is; neither a mention of somebody nor the end of a table's cell."""
    return f"`{text.replace('`', chr(39)).replace('|', chr(92) + '|')}`" if text else ""


def _line(message: str) -> str:
    """What somebody said, in one line and as it was said."""
    return _code(" ".join(message.split()))
