"""Personal data leaves staging only as a pseudonym, or in a column with a policy tag."""

import json

from omnipipe.contracts.tables import PUBLIC_CUSTOMERS
from tests.dbt.warehouse import Dbt, Warehouse, change, customer, deliver, trip

TAG = "projects/p/locations/eu/taxonomies/1/policyTags/2"


def tagged_columns(dbt: Dbt, **environment: str) -> dict[str, list[str]]:
    """The policy tags that dbt sends to BigQuery, by model and column."""
    results = dbt.run("parse", environment=environment)
    assert not results["error"], results
    nodes = json.loads((dbt.target / "manifest.json").read_text())["nodes"].values()
    return {
        f"{node['schema']}.{node['name']}.{name}": column["policy_tags"]
        for node in nodes
        for name, column in node["columns"].items()
        if column.get("policy_tags")
    }


def test_every_clear_copy_of_personal_data_has_its_policy_tag(dbt: Dbt) -> None:
    staged = {f"staging.latest_customers.{column}": [TAG] for column in PUBLIC_CUSTOMERS.pii_columns()}
    assert tagged_columns(dbt, PII_POLICY_TAG_HIGH=TAG) == {**staged, "prod.dim_customer.full_name": [TAG]}


def test_without_policy_tags_none_are_sent(dbt: Dbt) -> None:
    assert tagged_columns(dbt, PII_POLICY_TAG_HIGH="") == {}


def test_no_clear_value_reaches_prod_or_analysis_outside_a_tagged_column(warehouse: Warehouse, dbt: Dbt) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    dbt.build()
    deliver(warehouse, change(customer(2), "INSERT", 20), change(trip(2), "INSERT", 20))
    dbt.build()

    tagged = {"prod.dim_customer.full_name"}
    clear = [getattr(customer(number), column) for number in (1, 2) for column in PUBLIC_CUSTOMERS.pii_columns()]
    searched = 0
    for dataset in ("prod", "analysis"):
        for table in warehouse.client.list_tables(dataset):
            name = f"{dataset}.{table.table_id}"
            hidden = tuple(column.rpartition(".")[2] for column in tagged if column.startswith(f"{name}."))
            found = repr(warehouse.contents(name, without=hidden))
            assert not [value for value in clear if value in found], name
            searched += 1
    assert searched >= 5
    assert not [table.table_id for table in warehouse.client.list_tables("vault") if "tmp" in table.table_id]


def test_pseudonyms_are_stable_and_differ_between_customers(warehouse: Warehouse, dbt: Dbt) -> None:
    same_mail = {"email": "shared@example.com"}
    deliver(warehouse, *[change(customer(number, **same_mail), "INSERT", 10) for number in (1, 2)])
    deliver(warehouse, change(trip(1), "INSERT", 10))
    dbt.build()
    pseudonyms = "SELECT customer_id, email_pseudonym FROM prod.dim_customer ORDER BY 1"
    first = warehouse.rows(pseudonyms)
    assert first[0][1] != first[1][1]
    assert all(len(pseudonym) == 64 for _, pseudonym in first)

    moved = customer(1, city="Vienna", **same_mail)
    deliver(warehouse, change(customer(2), "DELETE", 20), change(moved, "UPDATE-INSERT", 20))
    dbt.build()
    assert warehouse.rows(pseudonyms) == first[:1]
    deliver(warehouse, change(customer(2, **same_mail), "INSERT", 30))
    dbt.build()
    assert warehouse.rows(pseudonyms) == first
