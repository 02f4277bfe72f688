"""dbt says which models a change touches: by their own text, by a macro, and what is made from them."""

from pathlib import Path

import pytest

from omnipipe.laptop.environments import environment
from omnipipe.laptop.home import PROJECT_ROOT
from omnipipe.review.models import DbtFailed, Models, changed

PROJECT = """
name: shop
version: "1.0"
profile: shop
flags: {send_anonymous_usage_stats: false}
"""
PROFILE = """
shop:
  target: default
  outputs:
    default: {type: bigquery, method: oauth, project: "{{ env_var('SHOP_PROJECT') }}", dataset: shop, threads: 1}
"""
MODELS = {
    "orders": "select 1 as id",
    "prices": "select {{ cents('2') }} as price",
    "sales": "select * from {{ ref('orders') }}",
    "stays": "select 3 as id",
    "went": "select 4 as id",
}
MACRO = "{% macro cents(euros) %}100 * {{ euros }}{% endmacro %}"


def project(folder: Path, models: dict[str, str], macro: str = MACRO) -> Path:
    files = {"dbt_project.yml": PROJECT, "profiles.yml": PROFILE, "macros/cents.sql": macro}
    for name, text in (files | {f"models/{name}.sql": text for name, text in models.items()}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def python() -> Path:
    return environment(PROJECT_ROOT / "jobs" / "dbt" / "requirements.txt") / "bin" / "python"


def test_models_are_named_by_what_became_of_them(tmp_path: Path, python: Path) -> None:
    before = project(tmp_path / "before", MODELS)
    now = {name: text for name, text in MODELS.items() if name != "went"} | {"orders": "select 2 as id"}
    after = project(tmp_path / "after", now, MACRO.replace("100", "1000"))

    assert changed(before, after, python) == Models(("orders", "prices"), ("sales",), ("went",))
    assert not (after / "target").exists()


def test_what_cannot_be_parsed_is_told_in_dbts_words(tmp_path: Path, python: Path) -> None:
    before = project(tmp_path / "before", MODELS)
    after = project(tmp_path / "after", MODELS | {"sales": "select * from {{ ref('order') }}"})
    with pytest.raises(DbtFailed, match="depends on a node named 'order' which was not found"):
        changed(before, after, python)
