"""What the worker is told: the program's own resources, as the engine registers them, and where things are here."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omnipipe.laptop.errors import LaptopError

_NOT_IN_TABLE_NAMES = str.maketrans(dict.fromkeys(". $/@+", "_"))
_GRANULARITY = re.compile(r"PARTITIONING_TIME_GRANULARITY_(HOUR|DAY|MONTH|YEAR)")


@dataclass(frozen=True)
class TableName:
    """A table of the source."""

    schema: str
    table: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Layout:
    """How a rule set lays out the BigQuery table that Datastream makes."""

    partition: str | None = None  # HOUR, DAY, MONTH or YEAR, by ingestion time
    cluster_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """Objects of the source: tables by schema, an empty part means all of it. Columns None means all columns."""

    tables: Mapping[tuple[str, str], tuple[str, ...] | None] = field(default_factory=dict)

    def holds(self, name: TableName) -> bool:
        """Whether a table is among the objects."""
        return any(key in self.tables for key in ((name.schema, name.table), (name.schema, "")))

    def columns(self, name: TableName) -> tuple[str, ...] | None:
        """The named columns of a table, or None when there is no such restriction."""
        return self.tables.get((name.schema, name.table))


@dataclass(frozen=True)
class Config:
    """A stream, its source and its destination."""

    name: str
    state: str  # RUNNING, PAUSED or NOT_STARTED
    host: str
    port: int
    user: str
    password: str
    database: str
    publication: str
    slot: str
    include: Selection | None
    exclude: Selection
    backfill: bool
    not_backfilled: Selection
    dataset: str | None  # the single target dataset, or None for one of each schema
    dataset_prefix: str
    dataset_location: str
    layouts: Mapping[TableName, Layout]
    bigquery_endpoint: str
    project: str
    token_key: Path  # of the laptop cloud: the stream writes as Datastream's own agent
    state_dir: Path
    dead_letters: str | None  # the table for events that have no counterpart in BigQuery

    def wants(self, name: TableName) -> bool:
        """Whether a table is replicated."""
        included = self.include is None or self.include.holds(name)
        # An excluded object with columns excludes these columns, not the table.
        return included and (not self.exclude.holds(name) or bool(self.exclude.columns(name)))

    def wants_column(self, name: TableName, column: str) -> bool:
        """Whether a column of a table that is replicated is."""
        included = self.include.columns(name) if self.include else None
        return (not included or column in included) and column not in (self.exclude.columns(name) or ())

    def wants_backfill(self, name: TableName) -> bool:
        """Whether the rows that a table already has are written first."""
        return self.backfill and not self.not_backfilled.holds(name)

    def target(self, name: TableName) -> str:
        """``dataset.table`` in BigQuery."""
        if self.dataset is not None:
            return f"{self.dataset}.{bigquery_name(f'{name.schema}_{name.table}')}"
        return f"{self.target_dataset(name)}.{bigquery_name(name.table)}"

    def target_dataset(self, name: TableName) -> str:
        """The dataset of a table in BigQuery."""
        return self.dataset or bigquery_name(f"{self.dataset_prefix}{name.schema}")


def bigquery_name(name: str) -> str:
    """A name as Datastream writes it: what BigQuery does not take becomes an underscore."""
    return name.translate(_NOT_IN_TABLE_NAMES)


def read(path: Path) -> Config:
    """Read CONFIG.json.

    Raises LaptopError, naming the field, for what Datastream would refuse or the laptop does not do.
    """
    raw = json.loads(path.read_text())
    stream = raw["stream"]
    source = _need(stream, "sourceConfig", "postgresqlSourceConfig")
    destination = _need(stream, "destinationConfig", "bigqueryDestinationConfig")
    profile = _need(raw["source_profile"], "postgresqlProfile")
    if "appendOnly" not in destination:
        raise LaptopError(
            "the stream writes in merge mode (bigqueryDestinationConfig without appendOnly): "
            "the laptop's Datastream supports append-only mode, set append_only"
        )
    freshness = destination.get("dataFreshness")
    if freshness is not None and not re.fullmatch(r"\d+s", freshness):
        raise LaptopError(f"dataFreshness is {freshness!r}: Datastream takes seconds, such as '900s'")
    if ("backfillAll" in stream) == ("backfillNone" in stream):
        raise LaptopError("the stream needs either backfillAll or backfillNone")
    single = destination.get("singleTargetDataset")
    template = destination.get("sourceHierarchyDatasets", {}).get("datasetTemplate", {})
    if single is None and not template:
        raise LaptopError("the stream needs singleTargetDataset or sourceHierarchyDatasets")
    include = source.get("includeObjects")
    return Config(
        name=stream.get("streamId", "stream"),
        state=stream.get("desiredState", "NOT_STARTED"),
        host=profile["hostname"],
        port=int(profile.get("port", 5432)),
        user=profile["username"],
        password=profile.get("password", ""),
        database=profile["database"],
        publication=source["publication"],
        slot=source["replicationSlot"],
        include=_selection(include) if include else None,
        exclude=_selection(source.get("excludeObjects", {})),
        backfill="backfillAll" in stream,
        not_backfilled=_selection((stream.get("backfillAll") or {}).get("postgresqlExcludedObjects", {})),
        dataset=_dataset(single["datasetId"], raw["project"]) if single else None,
        dataset_prefix=template.get("datasetIdPrefix", ""),
        dataset_location=template.get("location", "US"),
        layouts=dict(_layouts(stream.get("ruleSets", []))),
        bigquery_endpoint=raw["bigquery_endpoint"],
        project=raw["project"],
        token_key=Path(raw["token_key"]),
        state_dir=Path(raw["state_dir"]),
        dead_letters=raw["dead_letters"],
    )


def _need(value: Mapping[str, Any], *path: str) -> Any:
    for key in path:
        if value.get(key) is None:
            raise LaptopError(f"the stream's resources have no {'.'.join(path)}: the laptop needs it")
        value = value[key]
    return value


def _dataset(text: str, project: str) -> str:
    # The API takes project:dataset; a dataset resource's own id is projects/P/datasets/D.
    found = re.fullmatch(r"(?:projects/)?([^:/]+)(?::|/datasets/)(\w+)", text)
    if not found:
        raise LaptopError(f"singleTargetDataset.datasetId is {text!r}: Datastream takes 'project:dataset'")
    if found[1] != project:
        raise LaptopError(f"singleTargetDataset.datasetId {text!r} is not of the project {project!r}")
    return found[2]


def _selection(objects: Mapping[str, Any]) -> Selection:
    tables: dict[tuple[str, str], tuple[str, ...] | None] = {}
    for schema in objects.get("postgresqlSchemas") or []:
        listed: list[dict[str, Any]] = schema.get("postgresqlTables") or [{"table": ""}]
        for table in listed:
            columns = tuple(each["column"] for each in table.get("postgresqlColumns", []))
            tables[schema["schema"], table["table"]] = columns or None
    return Selection(tables)


def _layouts(rule_sets: Iterable[Mapping[str, Any]]) -> Iterable[tuple[TableName, Layout]]:
    for rule_set in rule_sets:
        identifier = _need(rule_set, "objectFilter", "sourceObjectIdentifier", "postgresqlIdentifier")
        partition, cluster_by = None, ()
        for rule in rule_set["customizationRules"]:
            if partitioning := rule.get("bigqueryPartitioning"):
                by_ingestion = partitioning.get("ingestionTimePartition")
                if by_ingestion is None:
                    raise LaptopError(
                        f"the rule set of {identifier['schema']}.{identifier['table']} partitions by a column: "
                        "the laptop's Datastream supports ingestionTimePartition"
                    )
                granularity = by_ingestion.get("partitioningTimeGranularity", "PARTITIONING_TIME_GRANULARITY_DAY")
                found = _GRANULARITY.fullmatch(granularity)
                if not found:
                    raise LaptopError(f"partitioningTimeGranularity {granularity!r} is none of Datastream's")
                partition = found[1]
            if clustering := rule.get("bigqueryClustering"):
                cluster_by = tuple(clustering["columns"])
        yield TableName(identifier["schema"], identifier["table"]), Layout(partition, cluster_by)
