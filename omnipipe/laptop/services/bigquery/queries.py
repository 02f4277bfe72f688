"""What a person asks of BigQuery on this machine: the first rows of a query, the tables, and what is known of one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.cloud import BIGQUERY
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.bindings import ACCOUNT, Bindings
from omnipipe.laptop.services.bigquery.client import query

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud

_TAG = "gcp:datacatalog/policyTag:PolicyTag"
_READ_DATA = "bigquery.tables.getData"
_READ_TAGGED = "datacatalog.categories.fineGrainedGet"
_TIMEOUT_S = 30
# INFORMATION_SCHEMA of no dataset: in BigQuery that of a region, which the emulator does not have.
_OF_NO_DATASET = re.compile(r"(?<![\w.`])(?:`region-[\w-]+`\.)?INFORMATION_SCHEMA\.(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Rows:
    """The first rows of a query, and how many it has in all."""

    columns: list[str]
    rows: list[list[Any]]
    total: int


def first_rows(cloud: Cloud, statement: str, count: int | None) -> Rows:
    """Run a statement; of a query the first ``count`` rows, without computing the others, or all of them.

    Raises LaptopError with BigQuery's words when it refuses.
    """
    statement = _with_datasets(cloud, statement)
    limited = count is not None and _may_be_limited(statement)
    # The text itself, and not a tree that is written anew: what runs is what the person wrote.
    asked = f"{_bare(statement)}\nLIMIT {count}" if limited else statement
    columns, rows = query(cloud, asked)
    total = len(rows)
    if count is not None and len(rows) >= count:
        if limited:
            ((total,),) = query(cloud, f"SELECT COUNT(*) FROM (\n{_bare(statement)}\n)")[1]  # noqa: S608 - the person's own
        rows = rows[:count]
    return Rows(columns, rows, total)


def tables(cloud: Cloud, pattern: str | None = None) -> list[dict[str, Any]]:
    """Every table and view whose ``dataset.table`` a pattern with ``*`` matches, with its rows and its last change.

    A pattern without a ``*`` or a dot matches what contains it.
    """
    if pattern and not set(pattern) & set("*?[."):
        pattern = f"*{pattern}*"
    found = []
    with _Api(cloud) as api:
        for dataset, name in sorted(api.names()):
            if pattern and not fnmatchcase(f"{dataset}.{name}", pattern):
                continue
            table = api.get(f"datasets/{dataset}/tables/{name}")
            is_view = table["type"] != "TABLE"
            found.append(
                {
                    "table": f"{dataset}.{name}",
                    "type": table["type"].lower(),
                    "rows": None,
                    "changed": None if is_view else _time(table["lastModifiedTime"]),
                }
            )
        counts = api.counts([each["table"] for each in found if each["type"] == "table"])
    return [each | {"rows": counts.get(each["table"])} for each in found]


def describe(cloud: Cloud, name: str) -> dict[str, Any]:
    """What is known of a table: columns with their policy tags, rows, last change, layout, and who may read it.

    Raises LaptopError, with the nearest names, when there is none of this name.
    """
    with _Api(cloud) as api:
        known = [".".join(each) for each in api.names()]
        if name not in known:
            near = difflib.get_close_matches(name, known, 3) or [
                each for each in known if each.endswith(f".{name}")
            ]
            hint = f": is it {' or '.join(near)}?" if near else ": `omnipipe tables` lists them"
            raise LaptopError(f"there is no table {name!r}{hint}")
        dataset, _, table_id = name.partition(".")
        table = api.get(f"datasets/{dataset}/tables/{table_id}")
        is_view = table["type"] != "TABLE"
        counts = api.counts([] if is_view else [name])
    tags = {tag.id: tag.inputs["displayName"] for tag in cloud.registry.of_type(_TAG)}
    bindings = Bindings(cloud.registry, cloud.project)
    accounts = [account.outputs["email"] for account in cloud.registry.of_type(ACCOUNT)]
    resource = f"projects/{cloud.project}/datasets/{dataset}/tables/{table_id}"
    columns = []
    for path, column in _columns(table.get("schema", {}).get("fields", [])):
        (tag,) = (column.get("policyTags") or {}).get("names") or [None]
        columns.append(
            {
                "column": path,
                "type": column["type"],
                "mode": column.get("mode", "NULLABLE"),
                "policy tag": tags.get(tag, tag) if tag else None,
                "description": column.get("description"),
            }
        )
    used = sorted({column["policy tag"] for column in columns if column["policy tag"]})
    return {
        "table": name,
        "type": table["type"].lower(),
        "description": table.get("description"),
        "rows": counts.get(name),
        "changed": None if is_view else _time(table["lastModifiedTime"]),
        "partitioned by": _partitioning(table),
        "clustered by": table.get("clustering", {}).get("fields"),
        "columns": columns,
        "readers": [email.partition("@")[0] for email in accounts if bindings.allow(email, _READ_DATA, resource)],
        "readers of tagged columns": {
            label: [
                email.partition("@")[0]
                for email in accounts
                if any(bindings.allow(email, _READ_TAGGED, tag) for tag in tags if tags[tag] == label)
            ]
            for label in used
        },
    }


def names(cloud: Cloud) -> list[str]:
    """Every table and view, as ``dataset.table``. Raises LaptopError when BigQuery is not running."""
    with _Api(cloud) as api:
        return [".".join(each) for each in api.names()]


def texts(cloud: Cloud, statement: str) -> list[list[str | None]]:
    """The rows of a short query as BigQuery sends them, without the client's library, which takes longer to load.

    Raises LaptopError when BigQuery does not answer.
    """
    with _Api(cloud) as api:
        return list(api.texts(statement))


class _Api:
    """BigQuery's REST API: a hundred small calls, for which the client's library would take longer to load."""

    def __init__(self, cloud: Cloud) -> None:
        if BIGQUERY not in cloud.processes.running():
            raise LaptopError("BigQuery is not running: run `omnipipe up`")
        self._url = f"{cloud.bigquery_url}/bigquery/v2/projects/{cloud.project}"
        self._session = requests.Session()
        self._session.headers.update(cloud.as_owner())

    def __enter__(self) -> _Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def get(self, path: str) -> dict[str, Any]:
        return self._asked("GET", path, path)

    def counts(self, tables: list[str]) -> dict[str, int]:
        """How many rows each table has; the emulator's ``numRows`` does not follow DML."""
        if not tables:
            return {}
        query = " UNION ALL ".join(f"SELECT '{table}', COUNT(*) FROM {table}" for table in tables)  # noqa: S608 - names
        return {str(name): int(count or 0) for name, count in self.texts(query)}

    def texts(self, query: str) -> list[list[str | None]]:
        """The rows of a small query, each value as the API writes it."""
        body = {"query": query, "useLegacySql": False}
        found = self._asked("POST", "queries", "the query", body)
        return [[cell["v"] for cell in row["f"]] for row in found.get("rows", [])]

    def _asked(self, method: str, path: str, what: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            answer = self._session.request(method, f"{self._url}/{path}", json=body, timeout=_TIMEOUT_S)
        except requests.ConnectionError as error:
            raise LaptopError("BigQuery does not answer: `omnipipe up` brings it back") from error
        if not answer.ok:
            raise LaptopError(f"BigQuery refused {what}: {answer.text[:500]}")
        return answer.json()

    def names(self) -> Iterator[tuple[str, str]]:
        """Dataset and name of every table and view."""
        for each in self.get("datasets?maxResults=1000").get("datasets", []):
            dataset = each["datasetReference"]["datasetId"]
            if dataset.startswith("_"):  # the emulator's own
                continue
            for table in self.get(f"datasets/{dataset}/tables?maxResults=1000").get("tables", []):
                yield dataset, table["tableReference"]["tableId"]


def _with_datasets(cloud: Cloud, statement: str) -> str:
    """A statement in which INFORMATION_SCHEMA of no dataset is that of all datasets together."""
    if not _OF_NO_DATASET.search(statement):
        return statement
    with _Api(cloud) as api:
        datasets = sorted({dataset for dataset, _ in api.names()})

    def all_of(found: re.Match[str]) -> str:
        parts = (f"SELECT * FROM {dataset}.INFORMATION_SCHEMA.{found[1]}" for dataset in datasets)  # noqa: S608 - names
        return f"({' UNION ALL '.join(parts)})"

    return _OF_NO_DATASET.sub(all_of, statement)


def _may_be_limited(statement: str) -> bool:
    """Whether it is one query without a LIMIT of its own."""
    import sqlglot
    from sqlglot import exp

    try:
        found = [tree for tree in sqlglot.parse(statement, read="bigquery") if tree]
    except sqlglot.ParseError:
        return False  # BigQuery says it better
    return len(found) == 1 and isinstance(found[0], exp.Query) and not found[0].args.get("limit")


def _bare(statement: str) -> str:
    """A statement without the semicolon, and the comments, at its end."""
    return re.sub(r"(;|--[^\n]*\n?|#[^\n]*\n?|/\*([^*]|\*(?!/))*\*/|\s)+\Z", "", statement)


def _columns(fields: list[dict[str, Any]], within: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for field in fields:
        yield within + field["name"], field
        yield from _columns(field.get("fields", []), f"{within}{field['name']}.")


def _partitioning(table: dict[str, Any]) -> str | None:
    if by_time := table.get("timePartitioning"):
        return f"{by_time.get('field', 'ingestion time')} ({by_time['type'].lower()})"
    if by_range := table.get("rangePartitioning"):
        return f"{by_range['field']} (ranges of {by_range['range']['interval']})"
    return None


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).replace(microsecond=0)
