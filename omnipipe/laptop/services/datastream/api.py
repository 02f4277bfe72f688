"""Datastream's API, as far as it is asked here: the tables that a stream names, and how the backfill of each is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, jsonify

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.iam.control import needs
from omnipipe.laptop.services.datastream import config
from omnipipe.laptop.services.datastream.backfill import Backfills
from omnipipe.laptop.services.datastream.resources import CONFIG_FILE, STREAM, state_dir

if TYPE_CHECKING:
    from pathlib import Path

    from omnipipe.laptop.cloud import Cloud


def serve(control: Control) -> Api:
    """Answer for Datastream's API."""
    return Api((blueprint(control.cloud),))


def blueprint(cloud: Cloud) -> Blueprint:
    """The route that lists the objects of a stream, all on one page."""
    routes = Blueprint("datastream", __name__, url_prefix="/v1/projects/<project>/locations/<location>")

    @routes.get("/streams/<stream>/objects")
    @needs("datastream.objects.list")  # https://cloud.google.com/datastream/docs/access-control
    def objects(project: str, location: str, stream: str) -> Response:
        cloud.registry.refresh()
        name = f"projects/{project}/locations/{location}/streams/{stream}"
        found = next((each for each in cloud.registry.of_type(STREAM) if each.id == name), None)
        if found is None:
            abort(404, f"Resource '{name}' was not found")
        return jsonify({"streamObjects": list_objects(name, state_dir(cloud, found))})

    return routes


def list_objects(stream: str, folder: Path) -> list[dict[str, Any]]:
    """The objects of a stream, in the API's form, from the folder of its worker's state.

    https://cloud.google.com/datastream/docs/reference/rest/v1/projects.locations.streams.objects
    """
    stream_config = config.read(folder / CONFIG_FILE)
    backfills = Backfills(folder)
    found = []
    for schema, table in sorted(stream_config.include.tables if stream_config.include else ()):
        name = config.TableName(schema, table)
        if not stream_config.wants_backfill(name):
            state = "NOT_STARTED"
        elif (backfill := backfills.of(stream_config.target(name))) is None:
            state = "PENDING"
        else:
            state = "COMPLETED" if backfill.done else "ACTIVE"
        found.append(
            {
                "name": f"{stream}/objects/{schema}-{table}",
                "displayName": str(name),
                "backfillJob": {"state": state, "trigger": "AUTOMATIC"},
                "sourceObject": {"postgresqlIdentifier": {"schema": schema, "table": table}},
            }
        )
    return found
