"""BigQuery's transfers: schedules in words that it understands, and the parameters that a source needs."""

from collections.abc import Iterator

from policy.clocks import is_app_engine_schedule
from policy.subject import ADVISORY, Resource, resource_policy

_SCHEDULES = "https://cloud.google.com/bigquery/docs/working-with-transfers#change_a_schedule"
_AS_OF = "2026-11"
# Source -> the parameters that it needs, and the others that it takes.
# https://cloud.google.com/bigquery/docs/scheduling-queries
# https://cloud.google.com/bigquery/docs/cloud-storage-transfer
# https://cloud.google.com/bigquery/docs/copying-datasets
_PARAMETERS = {
    "scheduled_query": (
        {"query"},
        {"destination_table_name_template", "write_disposition", "partitioning_field", "partitioning_type"}
        | {"destination_table_kms_key"},
    ),
    "google_cloud_storage": (
        {"data_path_template", "destination_table_name_template", "file_format"},
        {
            "write_disposition",
            "max_bad_records",
            "decimal_target_types",
            "ignore_unknown_values",
            "field_delimiter",
        }
        | {"skip_leading_rows", "allow_quoted_newlines", "allow_jagged_rows", "quote", "encoding", "null_marker"}
        | {"preserve_ascii_control_characters", "use_avro_logical_types", "delete_source_files"}
        | {"parquet_enum_as_string", "parquet_enable_list_inference", "destination_table_kms_key"},
    ),
    "cross_region_copy": (
        {"source_dataset_id"},
        {"source_project_id", "overwrite_destination_table", "destination_table_kms_key"},
    ),
}


@resource_policy("bigquery.DataTransferConfig", source=_SCHEDULES)
def transfers(transfer: Resource) -> Iterator[str]:
    """A transfer has a schedule that BigQuery understands, and the parameters that its source needs."""
    for schedule in transfer.at("schedule"):
        if not is_app_engine_schedule(schedule):
            yield f"schedule is {schedule!r}: write one such as 'every 24 hours' or 'every monday 09:00'"
    for source in transfer.at("dataSourceId"):
        needed, _ = _PARAMETERS.get(source, (set(), set()))
        missing = needed - _given(transfer)
        if missing and transfer.is_known("params"):
            yield f"params has no {', '.join(sorted(missing))}: {source} needs it"


@resource_policy("bigquery.DataTransferConfig", source=_SCHEDULES, level=ADVISORY)
def unknown_transfer_parameters(transfer: Resource) -> Iterator[str]:
    """A parameter of a transfer is one that its source takes."""
    for source in transfer.at("dataSourceId"):
        needed, taken = _PARAMETERS.get(source, (set(), set()))
        unknown = _given(transfer) - needed - taken if needed else ()
        for name in sorted(unknown):
            yield f"{source} had no parameter {name} in {_AS_OF}: it takes {', '.join(sorted(needed | taken))}"


def _given(transfer: Resource) -> set[str]:
    return set(transfer.inputs.get("params") or {}) if transfer.is_known("params") else set()
