"""The policy tags of columns: the emulator drops them, so they are kept here, in a file beside its data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omnipipe.laptop.home import write_json


class PolicyTags:
    """Table -> column -> policy tag. Names of columns are in lower case, those in records with dots."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._tags: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}

    def of(self, table: str) -> dict[str, str]:
        """The tags of a table's columns, whichever way its name is written: the emulator does not tell case."""
        return self._tags.get(table.lower(), {}) if self._tags else {}

    def set(self, table: str, fields: list[dict[str, Any]]) -> None:
        """Take over the tags of a schema; a column without one has none from now on."""
        self._replace(table, dict(_tagged(fields)))

    def drop(self, resource: str) -> None:
        """Forget the tags of a table that is gone or was replaced, or of all tables of a dataset."""
        name = resource.lower()
        for table in [each for each in self._tags if each == name or each.startswith(f"{name}/")]:
            self._replace(table, {})

    def add_to(self, table: str, fields: list[dict[str, Any]]) -> None:
        """Write the tags into a schema that the emulator answers."""
        tags = self.of(table)
        for path, column in _columns(fields):
            if path in tags:
                column["policyTags"] = {"names": [tags[path]]}

    def _replace(self, table: str, tags: dict[str, str]) -> None:
        name = table.lower()
        if tags == self._tags.get(name, {}):
            return
        self._tags = {key: value for key, value in self._tags.items() if key != name} | (
            {name: tags} if tags else {}
        )
        write_json(self._file, self._tags)


def tagged(fields: list[dict[str, Any]]) -> set[str]:
    """The tags that a schema sets."""
    return {tag for _, tag in _tagged(fields)}


def _tagged(fields: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for path, column in _columns(fields):
        if found := (column.get("policyTags") or {}).get("names"):
            yield path, found[0]  # a column has one at most


def _columns(fields: list[dict[str, Any]], within: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for column in fields:
        path = within + column["name"].lower()
        yield path, column
        yield from _columns(column.get("fields") or [], f"{path}.")
