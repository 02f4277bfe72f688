"""What Datastream adds to each row in append-only mode: one column, declared here for all who write or read it.

https://cloud.google.com/datastream/docs/destination-bigquery
"""

from dataclasses import dataclass, fields
from types import SimpleNamespace

from omnipipe.contracts.schema import column, columns_of


@dataclass(frozen=True, kw_only=True)
class DatastreamMetadata:
    """What the column holds."""

    uuid: str | None = column("Unique for each event.")
    source_timestamp: int | None = column("Commit time at the source, in epoch milliseconds.")
    change_sequence_number: str | None = column("Position in the source's log; orders events of one timestamp.")
    change_type: str | None = column("INSERT, UPDATE-INSERT, UPDATE-DELETE or DELETE.")
    sort_keys: list[str] = column("Timestamp and position, as one sortable list.")


METADATA_DESCRIPTION = "Datastream's own columns."


@dataclass(frozen=True, kw_only=True)
class CapturedRow:
    """A row of any table that Datastream writes, as far as it is Datastream's."""

    datastream_metadata: DatastreamMetadata | None = column(METADATA_DESCRIPTION)


(METADATA_SCHEMA,) = columns_of(CapturedRow)
METADATA: str = METADATA_SCHEMA["name"]
# The column's fields, each as SQL names it: METADATA_FIELD.uuid is "datastream_metadata.uuid".
METADATA_FIELD = SimpleNamespace(
    **{field.name: f"{METADATA}.{field.name}" for field in fields(DatastreamMetadata)}
)
# The types of a change after which its key is no more; UPDATE-DELETE is the old key of a row whose key changed.
DELETES = ("DELETE", "UPDATE-DELETE")
