"""What the documents do not say of an API, as the files of ``omnipipe.rehearsal.services`` tell it.

A ``Service`` gathers the rules of one host. Each is for a collection (``secrets``), in all of the API's versions, and
stands beside its source.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, TypeVar

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused

Body = dict[str, Any]
Rule = TypeVar("Rule", bound=Callable[..., Any])


@dataclass
class Service:
    """The rules of an API.

    ``older`` are the APIs that keep zeros, patch by merging and list an error's reasons; ``by_number`` those whose
    names carry the project's number. ``errors_have_status`` is whether an error names google.rpc's code.
    ``looks_later`` are the hosts whose resources are looked for only while an operation works (``works``).
    ``short_names`` are collections whose ``name`` is the id alone, ``made_ids`` those whose ids Google makes,
    ``defaults`` what is filled in where a body leaves it out, ``missing`` and ``duplicate`` the words for what is not
    there and what is there already: {name}, {id}, {project}, {number}, {numbered} (the name with the number).
    """

    host: str
    older: bool = False
    errors_have_status: bool = True
    errors_have_reasons: bool | None = None
    by_number: bool = False
    short_names: frozenset[str] = frozenset()
    made_ids: frozenset[str] = frozenset()
    looks_later: frozenset[str] = frozenset()
    defaults: Mapping[str, Body] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    duplicate: Mapping[str, str] = field(default_factory=dict)
    metadata: str = "OperationMetadata"
    _rules: dict[tuple[str, str], Callable[..., Any]] = field(default_factory=dict)

    # --- what a service's file says

    def answers(self, *methods: str) -> Callable[[Rule], Rule]:
        """Do a method (``versions.access``) by a function of the call, which returns the answer's body.

        ``*.wait`` is a method of any collection, ``*.set…`` each whose name begins so.
        """
        return self._rule("answers", methods)

    def checks(self, *collections: str) -> Callable[[Rule], Rule]:
        """Before one is made or changed, a function of the call and the body refuses what Google would."""
        return self._rule("checks", collections)

    def fills(self, *collections: str) -> Callable[[Rule], Rule]:
        """When one is made, a function of the call and the record fills in what Google does."""
        return self._rule("fills", collections)

    def follows(self, *collections: str) -> Callable[[Rule], Rule]:
        """After one is made or changed, a function of the call and the record brings what depends on it up to date."""
        return self._rule("follows", collections)

    def works(self, *collections: str) -> Callable[[Rule], Rule]:
        """While one is made or changed, a function of the call and the record refuses what Google finds out only then.

        So the operation fails; the resource stays as it is, unless the function takes it away.
        """
        return self._rule("works", collections)

    def shows(self, *collections: str) -> Callable[[Rule], Rule]:
        """A function of the call and the record returns the body that an answer has."""
        return self._rule("shows", collections)

    def keeps(self, *collections: str) -> Callable[[Rule], Rule]:
        """Before one is deleted, a function of the call and the record refuses what Google would."""
        return self._rule("keeps", collections)

    def removes(self, *collections: str) -> Callable[[Rule], Rule]:
        """Delete by a function of the call and the record, where Google does not just forget it."""
        return self._rule("removes", collections)

    def names(self, *collections: str) -> Callable[[Rule], Rule]:
        """The id of a new one, by a function of the call and the body."""
        return self._rule("names", collections)

    def operations(self) -> Callable[[Rule], Rule]:
        """What an operation carries beside the general, by a function of the call, the operation and the record."""
        return self._rule("operations", ("",))

    def prepares(self) -> Callable[[Rule], Rule]:
        """What is there from the start, put there by a function of the control plane."""
        return self._rule("prepares", ("",))

    def _rule(self, what: str, keys: tuple[str, ...]) -> Callable[[Rule], Rule]:
        def keep(rule: Rule) -> Rule:
            for key in keys:
                self._rules[what, key] = rule
            return rule

        return keep

    # --- what the general rules ask

    def rule(self, what: str, key: str) -> Callable[..., Any] | None:
        """The rule of a kind for a collection or method, if there is one."""
        return self._rules.get((what, key))

    def apply(self, what: str, key: str, *arguments: Any) -> Any:
        """Call a rule, if there is one."""
        rule = self.rule(what, key)
        return rule(*arguments) if rule else None

    def fill(self, collection: str, body: Body) -> None:
        """Fill the collection's defaults into what a body leaves out."""
        _fill(body, self.defaults.get(collection, {}))

    def not_found(self, call: Call, name: str) -> Refused:
        """404 in the API's words."""
        collection = name.split("/")[-2] if "/" in name else name
        form = self.missing.get(collection) or self.missing.get("", "Resource '{name}' was not found")
        if form.startswith("403 "):  # where Google does not tell whether it is there
            return Refused(403, self._say(call, form.removeprefix("403 "), name))
        return Refused(404, self._say(call, form, name))

    def exists(self, call: Call, name: str) -> Refused:
        """409 in the API's words."""
        collection = name.split("/")[-2]
        form = self.duplicate.get(collection) or self.duplicate.get("", "Resource '{name}' already exists")
        return Refused(409, self._say(call, form, name), reason="duplicate" if self.host == "bigquery" else "")

    def _say(self, call: Call, form: str, name: str) -> str:
        parts = name.split("/")
        named = {key: value for key, value in zip(parts[::2], parts[1::2], strict=False) if key.isidentifier()}
        return form.format_map(
            collections.defaultdict(str, named)
            | {
                "name": name,
                "id": parts[-1],
                "project": call.project,
                "number": call.number,
                "numbered": call.plane.numbered(name),
            }
        )

    def error(self, refused: Refused) -> Body:
        """An error's body in the API's style."""
        reasons = self.older if self.errors_have_reasons is None else self.errors_have_reasons
        return refused.body(reasons=reasons, status=self.errors_have_status)


def _fill(body: Body, defaults: Mapping[str, Any]) -> None:
    for name, value in defaults.items():
        if isinstance(value, Mapping) and isinstance(body.get(name), dict):
            _fill(body[name], value)
        elif body.get(name) is None:
            body[name] = deepcopy(value)
