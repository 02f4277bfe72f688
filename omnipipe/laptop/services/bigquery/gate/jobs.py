"""What the body of a request needs beside its route: SQL, loads, copies, extracts, and tags in a schema."""

from __future__ import annotations

from typing import Any

from omnipipe.laptop.services.bigquery.gate import names, tags
from omnipipe.laptop.services.bigquery.gate.rights import Rights
from omnipipe.laptop.services.bigquery.gate.statements import Columns, Read

_ALL = Columns(star=True)


def query(rights: Rights, body: dict[str, Any], project: str) -> frozenset[str]:
    """``jobs.query``, or the query of ``jobs.insert``; the tables that it replaces."""
    if body.get("useLegacySql"):
        raise names.unknown("legacy SQL")
    default = body.get("defaultDataset") or {}
    dataset = names.dataset(default.get("projectId") or project, default["datasetId"]) if default else None
    analysis = rights.sql(body.get("query") or "", project, dataset)
    if destination := body.get("destinationTable"):
        _write(rights, _table(destination, project), body)
    return frozenset() if body.get("dryRun") else analysis.replaced


def job(rights: Rights, body: dict[str, Any], project: str) -> frozenset[str]:
    """``jobs.insert``; the tables that its query replaces, if it is one."""
    of_any_kind = body.get("configuration") or {}
    kinds = [kind for kind in ("query", "load", "extract", "copy") if kind in of_any_kind]
    if len(kinds) != 1:
        raise names.unknown("a job that is not one of query, load, extract and copy")
    configuration = of_any_kind[kinds[0]]
    if kinds == ["query"]:
        replaced = query(rights, configuration, project)
        return frozenset() if of_any_kind.get("dryRun") else replaced
    if kinds == ["load"]:
        load(rights, configuration, project)
    elif kinds == ["copy"]:
        for source in configuration.get("sourceTables") or [configuration["sourceTable"]]:
            rights.read(Read(_table(source, project), _ALL))
        _write(rights, _table(configuration["destinationTable"], project), configuration)
    else:
        source = _table(configuration["sourceTable"], project)
        rights.need("bigquery.tables.export", source)
        rights.read(Read(source, _ALL))
        for uri in configuration.get("destinationUris") or [configuration["destinationUri"]]:
            rights.need("storage.objects.create", _bucket(uri))
    return frozenset()


def load(rights: Rights, configuration: dict[str, Any], project: str) -> None:
    """The load of ``jobs.insert``, or of an upload."""
    _write(rights, _table(configuration["destinationTable"], project), configuration)
    if configuration.get("schemaUpdateOptions"):
        rights.need("bigquery.tables.update", _table(configuration["destinationTable"], project))
    for uri in configuration.get("sourceUris") or []:
        rights.need("storage.objects.get", _bucket(uri))


def table(rights: Rights, body: dict[str, Any], name: str) -> None:
    """A table of ``tables.insert``, ``patch`` or ``update``: what its view reads, and tags that are set."""
    project = names.parts(name)[0]
    if view := (body.get("view") or body.get("materializedView") or {}).get("query"):
        rights.sql(view, project)
    set_ = tags.tagged((body.get("schema") or {}).get("fields") or [])
    if set_:  # https://cloud.google.com/bigquery/docs/column-level-security#set_policy
        rights.need("bigquery.tables.setCategory", name)
    for tag in sorted(set_):
        rights.need_on_tag("datacatalog.taxonomies.get", tag.partition("/policyTags/")[0])


def _write(rights: Rights, destination: str, configuration: dict[str, Any]) -> None:
    rights.need("bigquery.tables.updateData", destination)
    if configuration.get("createDisposition") != "CREATE_NEVER" and not rights.exists(destination):
        rights.need("bigquery.tables.create", destination.partition("/tables/")[0])


def _table(reference: dict[str, Any], project: str) -> str:
    return names.table(reference.get("projectId") or project, reference["datasetId"], reference["tableId"])


def _bucket(uri: str) -> str:
    kind, _, path = uri.partition("://")
    if kind != "gs":
        raise names.unknown(f"the address {uri}")
    bucket, _, name = path.partition("/")
    return f"projects/_/buckets/{bucket}/objects/{name}"
