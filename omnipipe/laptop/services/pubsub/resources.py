"""Pub/Sub's resources: made and changed by the API of its process, which runs as long as there is one of them."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from omnipipe.laptop.cloud import PUBSUB as NAME
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.iam.bindings import PUBSUB_AGENT as AGENT
from omnipipe.laptop.kind import Autonamed, Kind
from omnipipe.laptop.processes import Spec, clean_environment

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

TOPIC = "gcp:pubsub/topic:Topic"
SUBSCRIPTION = "gcp:pubsub/subscription:Subscription"
SCHEMA = "gcp:pubsub/schema:Schema"
_OWN = (TOPIC, SUBSCRIPTION, SCHEMA)
_starting = threading.Lock()

__all__ = ["AGENT", "KINDS", "NAME", "SCHEMA", "SUBSCRIPTION", "TOPIC", "data_file", "is_used"]


def is_used(cloud: Cloud) -> bool:
    """Whether the program has anything of Pub/Sub."""
    return any(cloud.registry.of_type(type_) for type_ in _OWN)


def data_file(cloud: Cloud) -> Path:
    """Where Pub/Sub keeps its state."""
    return cloud.home.path("pubsub") / "state.db"


class _Served(Autonamed):
    """A resource of the API. ``collection`` is its name there, ``mutable`` are the inputs that can be changed."""

    collection = ""
    mutable: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        _start(cloud)
        name = resource.id = f"projects/{cloud.project}/{self.collection}/{resource.inputs['name']}"
        body = self.body(cloud, resource)
        there = _call(cloud, "GET", name)
        if (
            there is not None
            and previous is not None
            and previous.id == name
            and self.replaces(resource, previous)
        ):
            _call(cloud, "DELETE", name)
            there = None
        if there is None:
            self.create(cloud, name, body)
        elif previous is None or previous.inputs != resource.inputs:
            self.update(cloud, name, body, there)
        resource.outputs = {**resource.inputs, "name": resource.inputs["name"], "project": cloud.project}

    def body(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        """The resource in the API's form, whose fields are called as Pulumi's inputs are."""
        return {key: resource.inputs[key] for key in (*self.mutable, *self.fixed) if key in resource.inputs}

    def create(self, cloud: Cloud, name: str, body: dict[str, Any]) -> None:
        """Make it."""
        _call(cloud, "PUT", name, body)

    def update(self, cloud: Cloud, name: str, body: dict[str, Any], there: dict[str, Any]) -> None:
        """Let it be as the program says now."""
        field = self.collection.removesuffix("s")
        changed = {key: value for key, value in body.items() if key in self.mutable}
        request = {field: {"name": name, **changed}, "updateMask": ",".join(self.mutable)}
        _call(cloud, "PATCH", name, request)

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        _start(cloud)
        _call(cloud, "DELETE", resource.id)
        others = [each for type_ in _OWN for each in cloud.registry.of_type(type_) if each.key != resource.key]
        if not others:
            cloud.processes.stop([NAME])

    def process(self, resource: Resource) -> str:
        return NAME

    def problem(self, cloud: Cloud, resource: Resource) -> str | None:
        """Addresses at which nobody can be let in."""
        try:
            problems = requests.get(f"{cloud.pubsub_url}/healthz", timeout=5).json()["problems"]
        except (requests.RequestException, ValueError) as error:
            return f"Pub/Sub does not answer ({type(error).__name__}): {cloud.processes.last_words(NAME)}"
        return f"no workload is let in at {'; '.join(problems)}" if problems else None


class Topic(_Served):
    """A topic."""

    effect = "a topic of the laptop's Pub/Sub, on disk"
    different = "no message transforms, no ingestion; keys, regions and tags are names"
    collection = "topics"
    identity = ("name",)
    mutable = ("labels", "messageRetentionDuration", "messageStoragePolicy", "schemaSettings", "messageTransforms")
    mutable += ("ingestionDataSourceSettings",)
    fixed = ("kmsKeyName",)

    def body(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        body = super().body(cloud, resource)
        if schema := body.get("schemaSettings"):
            body["schemaSettings"] = {**schema, "schema": _whole(cloud, "schemas", schema["schema"])}
        return body


class Subscription(_Served):
    """A subscription."""

    effect = "pull, push, rows of BigQuery and files of Cloud Storage, from disk"
    different = "no Bigtable, no message transforms; a file of Cloud Storage ends at 32 MB; tags are names"
    collection = "subscriptions"
    holds_data = True
    identity = ("name", "topic", "filter", "enableMessageOrdering")
    mutable = ("ackDeadlineSeconds", "bigqueryConfig", "cloudStorageConfig", "deadLetterPolicy", "labels")
    mutable += ("enableExactlyOnceDelivery", "expirationPolicy", "messageRetentionDuration", "pushConfig")
    mutable += ("retainAckedMessages", "retryPolicy", "messageTransforms")
    fixed = ("topic", "filter", "enableMessageOrdering")

    def body(self, cloud: Cloud, resource: Resource) -> dict[str, Any]:
        body = super().body(cloud, resource)
        body["topic"] = _whole(cloud, "topics", body["topic"])
        if "ttl" in (policy := body.get("expirationPolicy") or {}) and not policy["ttl"]:
            body["expirationPolicy"] = {}  # Pulumi's "" is never
        if policy := body.get("deadLetterPolicy"):
            topic = _whole(cloud, "topics", policy["deadLetterTopic"])
            body["deadLetterPolicy"] = {**policy, "deadLetterTopic": topic}
        return body

    def calls_as(self, resource: Resource) -> str | None:
        # A push comes from inside: https://cloud.google.com/run/docs/securing/ingress
        token = (resource.inputs.get("pushConfig") or {}).get("oidcToken") or {}
        return token.get("serviceAccountEmail")


class Schema(_Served):
    """A schema; another definition is a further revision."""

    effect = "an Avro or Protocol Buffers schema that messages must fit"
    collection = "schemas"
    identity = ("name", "type")
    mutable = ("definition",)
    fixed = ("type",)

    def create(self, cloud: Cloud, name: str, body: dict[str, Any]) -> None:
        parent, _, short = name.rpartition("/")
        _call(cloud, "POST", f"{parent}?schemaId={short}", body)

    def update(self, cloud: Cloud, name: str, body: dict[str, Any], there: dict[str, Any]) -> None:
        if there.get("definition") != body.get("definition"):
            _call(cloud, "POST", f"{name}:commit", {"schema": {"name": name, **body}})


def _whole(cloud: Cloud, collection: str, name: str) -> str:
    return name if "/" in name else f"projects/{cloud.project}/{collection}/{name}"


def _start(cloud: Cloud) -> None:
    """Have the process running. Raises LaptopError when it cannot be."""
    with _starting:
        argv = [sys.executable, "-m", "omnipipe.laptop.services.pubsub"]
        home = [str(cloud.home.root), cloud.home.project, cloud.home.stack]
        port = cloud.ports.of(NAME)
        cloud.start(Spec(NAME, argv + home, clean_environment(), version=str(port)), port_name=NAME)
        cloud.processes.wait_ready(NAME, lambda: _is_there(cloud))


def _is_there(cloud: Cloud) -> bool:
    try:
        requests.get(f"{cloud.pubsub_url}/healthz", timeout=2)
    except requests.RequestException:
        return False
    return True


def _call(cloud: Cloud, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
    """One call of the API; None for what does not exist. Raises LaptopError with Pub/Sub's own words."""
    url = f"{cloud.pubsub_url}/v1/{path}"
    answer = requests.request(method, url, json=body, headers=cloud.as_owner(), timeout=60)
    if answer.status_code == 404 and method in ("GET", "DELETE"):
        return None
    if not answer.ok:
        raise LaptopError(f"Pub/Sub refused it: {answer.json()['error']['message']}")
    return answer.json()


KINDS: dict[str, Kind] = {TOPIC: Topic(), SUBSCRIPTION: Subscription(), SCHEMA: Schema()}
