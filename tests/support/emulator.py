"""A BigQuery emulator for tests, with the tables that the program declares."""

from typing import Any

from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from bench.warehouse import PROJECT
from omnipipe.contracts.schema import Table
from omnipipe.contracts.tables import DATASETS, DECLARED_TABLES, KPIS
from omnipipe.runtime import warehouse

TABLES = (*DECLARED_TABLES, KPIS)


def client() -> warehouse.Client:
    """Return a client of the emulator that BIGQUERY_EMULATOR_HOST names."""
    return warehouse.Client("test", project=PROJECT, credentials=AnonymousCredentials())


def recreate_tables(client: bigquery.Client) -> None:
    """Leave every declared table there and empty."""
    for dataset in DATASETS:
        client.create_dataset(dataset, exists_ok=True)
    for table in TABLES:
        client.delete_table(table.id, not_found_ok=True)
        client.create_table(_resource(table))


def _resource(table: Table) -> bigquery.Table:
    schema = [bigquery.SchemaField.from_api_repr(field) for field in table.schema()]
    return bigquery.Table(f"{PROJECT}.{table.id}", schema=schema)


def rows(client: bigquery.Client, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query as dictionaries."""
    return [dict(row) for row in client.query_and_wait(sql)]
