"""Dashboards of Cloud Monitoring."""

import json
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from policy import descriptions
from policy.dashboards import dashboards
from tests.policy.conftest import said

CHART = {"xyChart": {"dataSets": [{"plotType": "LINE", "timeSeriesQuery": {"prometheusQuery": "up"}}]}}


def board(**tile: Any) -> dict[str, str]:
    """The inputs of a dashboard with one tile."""
    return {"dashboardJson": json.dumps({"displayName": "d", "mosaicLayout": {"columns": 12, "tiles": [tile]}})}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"dashboardJson": "{"}, "dashboardJson is no JSON"),
        ({"dashboardJson": '{"title": "d"}'}, "dashboardJson has no field title (on 20"),
        (board(widht=4), "dashboardJson.mosaicLayout.tiles[0] has no field widht"),
        (board(widget={"xyChart": {"dataSets": {}}}), "widget.xyChart.dataSets is {}: write a list"),
        (board(widget="chart"), "tiles[0].widget is 'chart': write an object"),
        (
            board(widget={"xyChart": {"dataSets": [{"plotType": "PIE"}]}}),
            "dataSets[0].plotType is 'PIE': write one of",
        ),
    ],
)
def test_a_dashboard_that_google_refuses(inputs: dict[str, str], words: str) -> None:
    (message,) = said(dashboards, "monitoring.Dashboard", inputs)
    assert words in message


@pytest.mark.parametrize("inputs", [board(width=4, widget=CHART), {"dashboardJson": UNKNOWN}])
def test_a_dashboard_that_google_takes(inputs: dict[str, str]) -> None:
    assert not said(dashboards, "monitoring.Dashboard", inputs)


def test_the_day_of_the_description_is_told() -> None:
    (message,) = said(dashboards, "monitoring.Dashboard", {"dashboardJson": '{"title": "d"}'})
    assert f"(on {descriptions.as_of('monitoring.v1')})" in message
