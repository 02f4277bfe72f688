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
