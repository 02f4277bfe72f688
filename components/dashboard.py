"""The dashboard: one chart a figure with its threshold, errors by service, executions and their durations.

https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards

The API gives back no zero and nothing that is empty, and the provider compares what it sent with what it got, so such a
value would be a change at every deployment: none is sent.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

_COLUMNS = 48
_WIDTH, _HEIGHT = 16, 12
_PERIOD = "1800s"


def dashboard(
    name: str,
    errors: Mapping[str, tuple[str, str]],
    figures: Iterable[tuple[str, str, str, float]],
) -> str:
    """Return the JSON of a dashboard.

    ``errors``: service -> its metric and the type of its resource; ``figures``: title, metric, unit and threshold of
    each.
    """
    widgets = [
        _chart(
            "Errors by service",
            [
                _series(_user(metric), resource, "ALIGN_SUM", "REDUCE_SUM", legend=service, plot="STACKED_BAR")
                for service, (metric, resource) in errors.items()
            ],
        ),
        _chart(
            "Runs of the workflow",
            [
                _series(
                    "workflows.googleapis.com/finished_execution_count",
                    "workflows.googleapis.com/Workflow",
                    "ALIGN_SUM",
                    "REDUCE_SUM",
                    group_by="metric.label.status",
                    plot="STACKED_BAR",
                )
            ],
        ),
        _chart(
            "Longest answer of each function",
            [
                _series(
                    "run.googleapis.com/request_latencies",
                    "cloud_run_revision",
                    "ALIGN_SUM",
                    "REDUCE_PERCENTILE_99",
                    group_by="resource.label.service_name",
                )
            ],
            unit="ms",
        ),
        # The mean of a distribution is exact, as no percentile is: it is kept beside the buckets.
        *(
            _chart(
                title,
                [
                    _series(
                        _user(metric),
                        "cloud_run_job",
                        "ALIGN_SUM",
                        "REDUCE_MEAN",
                        group_by="metric.label.subject",
                    )
                ],
                unit=unit,
                threshold=threshold,
            )
            for title, metric, unit, threshold in figures
        ),
    ]
    a_row = _COLUMNS // _WIDTH
    tiles = [
        {
            **_position(index % a_row * _WIDTH, index // a_row * _HEIGHT),
            "width": _WIDTH,
            "height": _HEIGHT,
            "widget": widget,
        }
        for index, widget in enumerate(widgets)
    ]
    return json.dumps({"displayName": name, "mosaicLayout": {"columns": _COLUMNS, "tiles": tiles}}, sort_keys=True)


def _position(x: int, y: int) -> dict[str, int]:
    return {key: value for key, value in (("xPos", x), ("yPos", y)) if value}


def _user(metric: str) -> str:
    return f"logging.googleapis.com/user/{metric}"


def _series(
    metric: str,
    resource: str,
    aligner: str,
    reducer: str,
    *,
    group_by: str = "",
    legend: str = "",
    plot: str = "LINE",
) -> dict[str, Any]:
    aggregation = {"alignmentPeriod": _PERIOD, "perSeriesAligner": aligner, "crossSeriesReducer": reducer}
    return {
        "timeSeriesQuery": {
            "timeSeriesFilter": {
                "filter": f'metric.type="{metric}" AND resource.type="{resource}"',
                "aggregation": aggregation | ({"groupByFields": [group_by]} if group_by else {}),
            }
        },
        "plotType": plot,
        "targetAxis": "Y1",
        **({"legendTemplate": legend} if legend else {}),
    }


def _chart(
    title: str, series: list[dict[str, Any]], unit: str = "", threshold: float | None = None
) -> dict[str, Any]:
    return {
        "title": title,
        "xyChart": {
            "dataSets": series,
            "yAxis": {"scale": "LINEAR", **({"label": unit} if unit else {})},
            **({"thresholds": [{"value": threshold, "targetAxis": "Y1"}]} if threshold is not None else {}),
        },
    }
