"""Whose a job or an upload is: the emulator does not know."""

from __future__ import annotations

from collections import OrderedDict

_REMEMBERED = 10_000
# The emulator's dataset for the results of queries, and how their tables are named: with the job, without hyphens.
_RESULTS, _RESULT = "_bqemu_anonymous", "anon"


class Makers:
    """Who made the latest jobs and uploads, by their id."""

    def __init__(self) -> None:
        self._emails: OrderedDict[str, str] = OrderedDict()

    def remember(self, id_: str, email: str) -> None:
        """Take down who made a job or an upload."""
        self._emails[id_] = email
        if len(self._emails) > _REMEMBERED:
            self._emails.popitem(last=False)

    def of(self, id_: str) -> str | None:
        """Who made a job or an upload, if that is known."""
        return self._emails.get(id_)

    def of_result(self, dataset: str, table: str) -> str | None:
        """Who made the query whose result a table is; None for any other table."""
        if dataset != _RESULTS or not table.startswith(_RESULT):
            return None
        by_name = {job.replace("-", ""): email for job, email in self._emails.items()}
        return by_name.get(table.removeprefix(_RESULT))
