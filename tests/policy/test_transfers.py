"""BigQuery's transfers."""

from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy.transfers import transfers, unknown_transfer_parameters
from tests.policy.conftest import asked, resource, said

KIND = "bigquery.DataTransferConfig"
QUERY = {"dataSourceId": "scheduled_query", "params": {"query": "SELECT 1"}}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (QUERY | {"schedule": "0 5 * * *"}, "schedule is '0 5 * * *': write one such as 'every 24 hours'"),
        (QUERY | {"schedule": "sometimes"}, "schedule is 'sometimes'"),
        (
            {"dataSourceId": "scheduled_query", "params": {"sql": "SELECT 1"}},
            "params has no query: scheduled_query needs",
        ),
        ({"dataSourceId": "scheduled_query"}, "params has no query"),
        (
            {"dataSourceId": "google_cloud_storage", "params": {"file_format": "CSV"}},
            "params has no data_path_template, destination_table_name_template",
        ),
        ({"dataSourceId": "cross_region_copy", "params": {}}, "params has no source_dataset_id"),
    ],
)
def test_a_transfer_that_google_refuses(inputs: dict[str, Any], words: str) -> None:
    (message,) = said(transfers, KIND, inputs)
    assert words in message


@pytest.mark.parametrize(
    "inputs",
    [
        QUERY | {"schedule": "every 24 hours"},
        QUERY | {"schedule": UNKNOWN},
        QUERY | {"params": UNKNOWN},
        QUERY | {"params": {"query": UNKNOWN, "write_disposition": "WRITE_APPEND"}},
        {"dataSourceId": "somebody_elses", "params": {"anything": "goes"}},
        {"dataSourceId": UNKNOWN, "params": {}},
    ],
)
def test_a_transfer_that_google_takes(inputs: dict[str, Any]) -> None:
    assert not said(transfers, KIND, inputs)
    assert not said(unknown_transfer_parameters, KIND, inputs)


def test_a_parameter_that_is_on_no_list_is_a_warning() -> None:
    inputs = QUERY | {"params": {"query": "SELECT 1", "quarry": "SELECT 2"}}
    (violation,) = asked(unknown_transfer_parameters, resource(KIND, inputs))
    assert violation.message.startswith(
        "scheduled_query had no parameter quarry in 2026-11: it takes destination_table_"
    )
    assert not violation.mandatory


# As Google's pages of each source have them; the first are needed.
PARAMETERS = {
    "scheduled_query": "query | destination_table_name_template write_disposition partitioning_field partitioning_type "
    "destination_table_kms_key",
    "google_cloud_storage": "data_path_template destination_table_name_template file_format | write_disposition "
    "max_bad_records decimal_target_types ignore_unknown_values field_delimiter skip_leading_rows "
    "allow_quoted_newlines allow_jagged_rows quote encoding null_marker preserve_ascii_control_characters "
    "use_avro_logical_types delete_source_files parquet_enum_as_string parquet_enable_list_inference "
    "destination_table_kms_key",
    "cross_region_copy": "source_dataset_id | source_project_id overwrite_destination_table destination_table_kms_key",
}


@pytest.mark.parametrize("source", PARAMETERS)
def test_each_parameter_of_a_source_is_taken_and_what_it_needs_is_asked_for(source: str) -> None:
    needed, taken = (part.split() for part in PARAMETERS[source].split(" | "))
    whole = dict.fromkeys(needed + taken, "x")
    assert not said(transfers, KIND, {"dataSourceId": source, "params": whole})
    assert not said(unknown_transfer_parameters, KIND, {"dataSourceId": source, "params": whole})
    for name in needed:
        without = {key: value for key, value in whole.items() if key != name}
        assert said(transfers, KIND, {"dataSourceId": source, "params": without}) == [
            f"params has no {name}: {source} needs it"
        ]
