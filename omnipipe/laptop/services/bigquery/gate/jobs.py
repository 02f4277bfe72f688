"""What the body of a request needs beside its route: SQL, loads, copies, extracts, and tags in a schema."""

from __future__ import annotations

from typing import Any

from omnipipe.laptop.services.bigquery.gate import names, tags
from omnipipe.laptop.services.bigquery.gate.checks import Checks
from omnipipe.laptop.services.bigquery.gate.statements import Analysis, Columns, Read

_ALL = Columns(star=True)


def query(checks: Checks, body: dict[str, Any], project: str) -> Analysis:
    """``jobs.query``, or the query of ``jobs.insert``."""
    if body.get("useLegacySql"):
        raise names.unknown("legacy SQL")
    default = body.get("defaultDataset") or {}
    dataset = names.dataset(default.get("projectId") or project, default["datasetId"]) if default else None
    analysis = checks.sql(body.get("query") or "", project, dataset)
    if destination := body.get("destinationTable"):
        _write(checks, _table(destination, project), body)
    return analysis


def job(checks: Checks, body: dict[str, Any], project: str) -> Analysis | None:
    """``jobs.insert``; the analysis of its query, if it is one."""
    configuration = body.get("configuration") or {}
    kinds = [kind for kind in ("query", "load", "extract", "copy") if kind in configuration]
    if len(kinds) != 1:
        raise names.unknown("a job that is not one of query, load, extract and copy")
    given = configuration[kinds[0]]
    if kinds == ["query"]:
        return query(checks, given, project)
    if kinds == ["load"]:
        load(checks, given, project)
    elif kinds == ["copy"]:
        for source in given.get("sourceTables") or [given["sourceTable"]]:
            checks.read(Read(_table(source, project), _ALL))
        _write(checks, _table(given["destinationTable"], project), given)
    else:
        source = _table(given["sourceTable"], project)
        checks.need("bigquery.tables.export", source)
        checks.read(Read(source, _ALL))
        for uri in given.get("destinationUris") or [given["destinationUri"]]:
            checks.need("storage.objects.create", _bucket(uri))
    return None


def load(checks: Checks, given: dict[str, Any], project: str) -> None:
    """The load of ``jobs.insert``, or of an upload."""
    _write(checks, _table(given["destinationTable"], project), given)
    if given.get("schemaUpdateOptions"):
        checks.need("bigquery.tables.update", _table(given["destinationTable"], project))
    for uri in given.get("sourceUris") or []:
        checks.need("storage.objects.get", _bucket(uri))


def table(checks: Checks, body: dict[str, Any], name: str) -> None:
    """A table of ``tables.insert``, ``patch`` or ``update``: what its view reads, and tags that are set."""
    project = names.parts(name)[0]
    if view := (body.get("view") or body.get("materializedView") or {}).get("query"):
        checks.sql(view, project)
    set_ = tags.tagged((body.get("schema") or {}).get("fields") or [])
    if set_:  # https://cloud.google.com/bigquery/docs/column-level-security#set_policy
        checks.need("bigquery.tables.setCategory", name)
    for tag in sorted(set_):
        checks.need_on_tag("datacatalog.taxonomies.get", tag.partition("/policyTags/")[0])


def _write(checks: Checks, destination: str, given: dict[str, Any]) -> None:
    checks.need("bigquery.tables.updateData", destination)
    if given.get("createDisposition") != "CREATE_NEVER" and not checks.exists(destination):
        checks.need("bigquery.tables.create", destination.partition("/tables/")[0])


def _table(reference: dict[str, Any], project: str) -> str:
    return names.table(reference.get("projectId") or project, reference["datasetId"], reference["tableId"])


def _bucket(uri: str) -> str:
    kind, _, path = uri.partition("://")
    if kind != "gs":
        raise names.unknown(f"the address {uri}")
    bucket, _, name = path.partition("/")
    return f"projects/_/buckets/{bucket}/objects/{name}"
