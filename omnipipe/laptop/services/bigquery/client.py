"""A client of the laptop's BigQuery, as the owner: what the command asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.cloud import BIGQUERY
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.tokens import OWNER

if TYPE_CHECKING:
    from google.cloud import bigquery

    from omnipipe.laptop.cloud import Cloud


def query(cloud: Cloud, statement: str, **parameters: str) -> tuple[list[str], list[list[Any]]]:
    """Run a statement in BigQuery, with text parameters; returns the columns' names and the rows.

    Raises LaptopError with BigQuery's words when it refuses.
    """
    from google.api_core.exceptions import GoogleAPICallError
    from google.api_core.retry import Retry
    from google.cloud import bigquery

    try:
        query_parameters = [
            bigquery.ScalarQueryParameter(name, "STRING", value) for name, value in parameters.items()
        ]
        # No retries: on this machine an error is an answer.
        never = Retry(predicate=lambda _: False)
        config = bigquery.QueryJobConfig(query_parameters=query_parameters)
        # Not query_and_wait: the emulator answers a failed statement there with no rows and no error.
        result = (
            client(cloud).query(statement, job_config=config, retry=never, job_retry=never).result(retry=never)
        )
        return [field.name for field in result.schema], [list(row.values()) for row in result]
    except GoogleAPICallError as error:
        reason = error.errors[0]["message"] if error.errors else str(error.message)
        raise LaptopError(f"BigQuery refused the query: {reason.splitlines()[0]}") from error
    except requests.ConnectionError as error:
        raise LaptopError("BigQuery does not answer: `omnipipe up` brings it back") from error


def client(cloud: Cloud) -> bigquery.Client:
    """A client of this cloud's BigQuery, as the owner. Raises LaptopError when BigQuery is not running."""
    from google.cloud import bigquery

    from omnipipe.laptop.iam.credentials import LocalCredentials

    if BIGQUERY not in cloud.processes.running():
        raise LaptopError("BigQuery is not running: run `omnipipe up`")
    return bigquery.Client(
        cloud.project,
        credentials=LocalCredentials(cloud.tokens, OWNER),
        client_options={"api_endpoint": cloud.bigquery_url},
    )
