"""A pipeline is declared once: what the code calls its steps and what the settings say of it agree with that."""

from dataclasses import replace

import pytest
import yaml

from omnipipe.cli import runs
from omnipipe.contracts.pipelines import DAILY, Step
from omnipipe.contracts.tables import STEP_RUNS
from omnipipe.laptop.home import PROJECT_ROOT

DBT = next(step for step in DAILY.steps if step.name == "dbt")
SYNC = next(step for step in DAILY.steps if step.name == "reverse_sync")


@pytest.mark.parametrize("step", DAILY.steps, ids=lambda step: step.name)
def test_a_step_records_itself_under_the_declared_name(step: Step) -> None:
    code = (PROJECT_ROOT / f"{step.kind}s" / step.folder / "main.py").read_text()

    assert f'"{step.name}"' in code
    (column,) = (column for column in STEP_RUNS.schema() if column["name"] == "step")
    assert step.name in column["description"]


def test_a_run_is_shown_from_its_beginning_to_its_end() -> None:
    assert runs.STEPS == ("init", "capture", "weather", "dbt", "validate", "reverse_sync", "finish")


def test_the_default_of_the_setting_is_the_declared_schedule() -> None:
    settings = yaml.safe_load((PROJECT_ROOT / "Pulumi.yaml").read_text())["config"]
    assert settings["schedule"]["default"] == DAILY.schedule


def test_a_group_is_in_its_place_among_the_steps() -> None:
    first, second, *others = DAILY.steps
    grouped = replace(DAILY, order=((first, second), *others))

    assert grouped.groups == ((first, second), *((step,) for step in others))
    assert grouped.steps == DAILY.steps
    assert grouped.lines == DAILY.lines


@pytest.mark.parametrize("name", ["reverse-sync", "Weather", "2nd", "", "init", "finish"])
def test_a_name_that_a_workflow_cannot_have_is_told(name: str) -> None:
    with pytest.raises(ValueError, match=f"a step is called '{name}': take lower-case letters"):
        replace(DBT, name=name)


@pytest.mark.parametrize(
    ("step", "changed", "words"),
    [
        (SYNC, {"retries": 1}, "the function reverse_sync has retries or full_refresh, which only a job takes"),
        (SYNC, {"full_refresh": True}, "the function reverse_sync has retries or full_refresh"),
        (DBT, {"replay": True}, "the job dbt has replay, which only a function answers"),
    ],
)
def test_what_the_kind_of_a_step_cannot_do_is_told(step: Step, changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(step, **changed)


@pytest.mark.parametrize(
    ("order", "words"),
    [
        ((DBT, SYNC, DBT), "two steps have one name in dbt, reverse_sync, dbt"),
        (((DBT,), SYNC), "a group has one step alone: write the step"),
        ((DBT, replace(DBT, name="again")), "more than one step takes full_refresh"),
        ((SYNC, replace(SYNC, name="again")), "more than one step takes replay"),
    ],
)
def test_steps_that_do_not_go_together_are_told(order: tuple[Step | tuple[Step, ...], ...], words: str) -> None:
    with pytest.raises(ValueError, match=f"daily: {words}"):
        replace(DAILY, order=order)
