"""A source is declared once: what it is called, its tables, and how old they may be."""

import re
from typing import Any

import pytest

from omnipipe.contracts.source import Source
from omnipipe.contracts.sources import SOURCES
from omnipipe.contracts.sources.weather import WEATHER
from omnipipe.contracts.tables import DATASETS, DATASTREAM_TABLES, DECLARED_TABLES


def source(**changes: Any) -> Source:
    given = {
        "name": "weather",
        "title": "Weather",
        "datasets": {"raw": "As delivered."},
        "tables": (WEATHER,),
        "fresh_within_h": 26,
        "when_late": "Look.",
    }
    return Source(**given | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "The Shop"}, "a source is called 'The Shop'"),
        ({"tables": ()}, "the source weather delivers into no table"),
        ({"datasets": {"bronze": "x"}}, "the source weather: raw.weather: declare their datasets too"),
    ],
)
def test_a_mistake_is_told(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        source(**changes)


def test_all_that_is_made_of_the_sources_has_them() -> None:
    assert len({each.name for each in SOURCES}) == len(SOURCES)
    made = {table.id for table in (*DATASTREAM_TABLES, *DECLARED_TABLES)}
    for each in SOURCES:
        assert {table.id for table in each.tables} <= made
        assert each.datasets.keys() <= DATASETS.keys()
