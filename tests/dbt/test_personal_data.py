"""Personal data leaves staging only as a pseudonym, or in a column with a policy tag."""

import json
from typing import Any

import pytest

from bench.warehouse import POLICY_TAG_HIGH, Warehouse
from omnipipe.contracts.schema import Sensitivity
from omnipipe.contracts.sources.mobility import PUBLIC_CUSTOMERS
from omnipipe.contracts.tables import DATASTREAM_TABLES, DECLARED_TABLES, KPIS
from tests.dbt.warehouse import Dbt, change, customer, deliver, trip

TAGS = {Sensitivity.HIGH: POLICY_TAG_HIGH}
MARKED = {
    column: level
    for table in (*DATASTREAM_TABLES, *DECLARED_TABLES, KPIS)
    for column, level in table.pii_columns().items()
}


@pytest.fixture(scope="module")
def models(dbt: Dbt) -> list[dict[str, Any]]:
    """The models of dbt's manifest."""
    assert not dbt.run("parse")["error"]
    nodes = json.loads((dbt.target / "manifest.json").read_text())["nodes"].values()
    return [node for node in nodes if node["resource_type"] == "model"]


def test_each_clear_copy_of_a_marked_column_has_the_tag_of_its_sensitivity(models: list[dict[str, Any]]) -> None:
    """A view has no tags of its own: BigQuery looks at those of the table beneath."""
    copies = {
        f"{model['schema']}.{model['name']}.{name}": column["policy_tags"]
        for model in models
        for name, column in model["columns"].items()
        if name in MARKED and model["config"]["materialized"] != "view"
    }

    assert copies == {copy: [TAGS[MARKED[copy.rpartition(".")[2]]]] for copy in copies}
    assert {copy.rpartition(".")[2] for copy in copies} == set(MARKED), "a marked column is in no model"


def test_a_tag_is_on_no_other_column_so_none_was_forgotten_in_contracts(models: list[dict[str, Any]]) -> None:
    tagged = {name for model in models for name, column in model["columns"].items() if column.get("policy_tags")}

    assert tagged <= set(MARKED)


def test_every_column_of_every_built_table_is_in_the_manifest(
    warehouse: Warehouse, dbt: Dbt, models: list[dict[str, Any]]
) -> None:
    """So no column escapes the tests above."""
    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    dbt.build()

    for model in models:
        built = warehouse.client.get_table(f"{model['schema']}.{model['name']}")
        assert {field.name for field in built.schema} == set(model["columns"]), model["name"]


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


@pytest.mark.parametrize("positions", [("a", "b"), ("a", "a")], ids=["positions of their own", "one position"])
def test_a_customer_whose_key_changes_keeps_the_pseudonym(
    warehouse: Warehouse, dbt: Dbt, positions: tuple[str, str]
) -> None:
    """Also over several changes, in one run and over more."""
    deliver(warehouse, change(customer(1), "INSERT", 10), change(customer(2), "INSERT", 10, "b"))
    deliver(warehouse, change(trip(1), "INSERT", 10))
    dbt.build()
    pseudonyms = "SELECT customer_id, email_pseudonym FROM prod.dim_customer ORDER BY 1"
    (_, first), other = warehouse.rows(pseudonyms)

    def move(old: int, new: int, time: int, **values: Any) -> None:
        before, after = positions
        moved = customer(new, email=customer(1).email, **values)
        deliver(warehouse, change(customer(old), "UPDATE-DELETE", time, before))
        deliver(warehouse, change(moved, "UPDATE-INSERT", time, after))

    move(1, 700_001, 20)
    dbt.build()
    assert warehouse.rows(pseudonyms) == [other, (700_001, first)]
    move(700_001, 30, 30)
    move(30, 40, 40)
    deliver(warehouse, change(customer(40, email=customer(1).email, city="Vienna"), "UPDATE-INSERT", 50))
    deliver(warehouse, change(customer(50, email=customer(1).email), "INSERT", 50))
    dbt.build()
    *known, (stranger, strange) = warehouse.rows(pseudonyms)
    assert known == [other, (40, first)]
    assert stranger == 50
    assert strange != first


def test_a_change_of_key_that_could_be_two_customers_makes_a_new_pseudonym(warehouse: Warehouse, dbt: Dbt) -> None:
    deliver(warehouse, change(customer(1), "INSERT", 10), change(customer(2), "INSERT", 10))
    deliver(warehouse, change(trip(1), "INSERT", 10))
    dbt.build()
    before = {pseudonym for (pseudonym,) in warehouse.rows("SELECT email_pseudonym FROM prod.dim_customer")}
    for old, new in ((1, 11), (2, 12)):  # one transaction, and nothing says which is which
        deliver(warehouse, change(customer(old), "UPDATE-DELETE", 20))
        deliver(warehouse, change(customer(new, email=customer(old).email), "UPDATE-INSERT", 20))
    dbt.build()
    after = {pseudonym for (pseudonym,) in warehouse.rows("SELECT email_pseudonym FROM prod.dim_customer")}
    assert len(after) == 2
    assert not before & after
