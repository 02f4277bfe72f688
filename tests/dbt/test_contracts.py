"""The project's YAML says what omnipipe.contracts says, and every model is documented."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.warehouse import Warehouse
from omnipipe.contracts.cities import CITIES
from omnipipe.contracts.datastream import DELETES, METADATA, METADATA_SCHEMA
from omnipipe.contracts.sources.mobility import PUBLIC_CUSTOMERS, PUBLIC_TRIPS
from omnipipe.contracts.sources.weather import WEATHER
from omnipipe.contracts.tables import KPIS
from tests.dbt.warehouse import ROOT, Dbt, change, customer, deliver, trip

MODELS = ROOT / "dbt" / "models"


def columns(entry: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["name"], column["description"]) for column in entry["columns"]]


def test_sources_have_the_columns_of_the_contracts() -> None:
    (source,) = yaml.safe_load((MODELS / "staging" / "sources.yml").read_text())["sources"]
    declared = {table.get("identifier", table["name"]): table for table in source["tables"]}
    for table in (PUBLIC_CUSTOMERS, PUBLIC_TRIPS, WEATHER):
        entry = declared.pop(table.name)
        types = {"RECORD": "struct"}
        assert columns(entry) == [(field["name"], field["description"]) for field in table.schema()]
        assert [column["data_type"] for column in entry["columns"]] == [
            types.get(field["type"], field["type"].lower()) for field in table.schema()
        ]
    assert not declared


def test_what_dbt_and_the_runbooks_say_of_datastreams_column_is_what_is_declared() -> None:
    types = {field["name"]: field["type"].lower() for field in METADATA_SCHEMA["fields"]}
    macros = "".join(path.read_text() for path in sorted((ROOT / "dbt" / "macros").glob("*.sql")))
    assert set(re.findall(rf"{METADATA}\.(\w+)", macros)) == types.keys() - {"sort_keys"}
    stored = dict(re.findall(r"\b(uuid|source_timestamp|change_sequence_number) (int64|string)\b", macros))
    assert stored == {name: types[name] for name in ("uuid", "source_timestamp", "change_sequence_number")}
    deletes = set(re.findall(r"change_type in (\(.+?\))", (ROOT / "dbt/macros/latest_versions.sql").read_text()))
    assert deletes == {str(DELETES)}

    runbooks = "".join(path.read_text() for path in sorted((ROOT / "docs" / "runbooks").glob("*.md")))
    assert set(re.findall(rf"{METADATA}\.(\w+)", runbooks)) <= types.keys()


def test_kpis_have_the_columns_of_the_contract_and_unit_tests_pass(warehouse: Warehouse, dbt: Dbt) -> None:
    """dbt takes the types of the unit tests' rows from the tables, so they are run beside them."""
    (model,) = yaml.safe_load((MODELS / "analysis" / "kpis.yml").read_text())["models"]
    assert columns(model) == [(field["name"], field["description"]) for field in KPIS.schema()]

    deliver(warehouse, change(customer(1), "INSERT", 10), change(trip(1), "INSERT", 10))
    dbt.build()
    built = warehouse.client.get_table("analysis.kpis")
    assert [(field.name, _standard(field.field_type)) for field in built.schema] == [
        (field["name"], field["type"]) for field in KPIS.schema()
    ]

    tested = dbt.run("test", "--select", "test_type:unit")
    assert not tested.pop("error"), tested
    declared = sum("unit_tests:" in path.read_text() for path in MODELS.rglob("*.yml"))
    assert len([name for name in tested if not name.startswith("omnipipe-on-run")]) == declared


def _standard(field_type: str) -> str:
    return {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}.get(field_type, field_type)


def test_cities_are_those_of_the_contracts(warehouse: Warehouse, dbt: Dbt) -> None:
    dbt.build("--select", "dim_city")
    expected = sorted((city.name, city.latitude, city.longitude) for city in CITIES)
    assert sorted(warehouse.rows("SELECT city, latitude, longitude FROM prod.dim_city")) == expected


@pytest.mark.parametrize("model", sorted(MODELS.rglob("*.sql")), ids=lambda path: path.stem)
def test_each_model_is_described_beside_it(model: Path) -> None:
    (entry,) = yaml.safe_load(model.with_suffix(".yml").read_text())["models"]
    assert entry["name"] == model.stem
    assert entry["description"]
    assert all(description for _, description in columns(entry))
