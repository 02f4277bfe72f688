"""Datastream's resources: a stream is a worker process, see ``omnipipe.laptop.services.datastream``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.home import write_json
from omnipipe.laptop.kind import Kind, Log, Recorded
from omnipipe.laptop.processes import Spec, clean_environment
from omnipipe.laptop.services.datastream import status

if TYPE_CHECKING:
    from omnipipe.laptop.cloud import Cloud
    from omnipipe.laptop.registry import Resource

PROFILE = "gcp:datastream/connectionProfile:ConnectionProfile"
STREAM = "gcp:datastream/stream:Stream"
RUNNING = "RUNNING"
CONFIG_FILE = "config.json"  # what a stream's worker is told, in the folder of its state
_FIRST_WORDS_S = 5


class Profile(Recorded):
    """How a stream connects. A Postgres whose certificate is checked must be told the one of an instance."""

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        certificate = _certificate(resource)
        known = {each["cert"] for server in cloud.registry for each in server.outputs.get("serverCaCerts", [])}
        if certificate is not None and certificate not in known:
            raise LaptopError(
                "caCertificate is of no instance here: Datastream would refuse the server. Give the instance's own "
                "(server_ca_certs)"
            )
        super().apply(cloud, resource, previous)

    def without_effect(self, resource: Resource) -> str:
        return "sslConfig, because its connections are Unix sockets" if _certificate(resource) else ""


def _certificate(profile: Resource) -> str | None:
    """The certificate authority by which a server is known, or None for any server.

    Raises LaptopError for a profile that has a client's certificate too.
    """
    ssl = profile.inputs.get("postgresqlProfile", {}).get("sslConfig") or {}
    if "serverAndClientVerification" in ssl:
        raise LaptopError(
            "sslConfig has serverAndClientVerification: the laptop has no client certificates, choose "
            "serverVerification"
        )
    return (ssl.get("serverVerification") or {}).get("caCertificate")


class Stream(Kind):
    """A stream: a worker that reads the write-ahead log and writes to BigQuery, if the stream is to run."""

    effect = "a worker on the real write-ahead log"
    different = "append-only mode; each change once, and in the order of the log; Google promises neither"

    def apply(self, cloud: Cloud, resource: Resource, previous: Resource | None) -> None:
        inputs = resource.inputs
        process = process_name(resource)
        source = cloud.registry.find(PROFILE, inputs["sourceConfig"]["sourceConnectionProfile"])
        destination = cloud.registry.find(PROFILE, inputs["destinationConfig"]["destinationConnectionProfile"])
        config = {
            "stream": inputs,
            "source_profile": source.inputs,
            "destination_profile": destination.inputs,
            "bigquery_endpoint": cloud.bigquery(),
            "project": cloud.project,
            "token_key": str(cloud.identity.token_key),
            "state_dir": str(state_dir(cloud, resource)),
            "dead_letters": cloud.declaration.dead_letters,
        }
        file = state_dir(cloud, resource) / CONFIG_FILE
        write_json(file, config, mode=0o600)
        resource.id = f"projects/{cloud.project}/locations/{inputs['location']}/streams/{inputs['streamId']}"
        resource.outputs = {**inputs, "name": resource.id, "state": desired_state(resource)}
        if desired_state(resource) != RUNNING:
            cloud.processes.stop([process])
            return
        spec = Spec(
            process,
            [sys.executable, "-m", "omnipipe.laptop.services.datastream", str(file)],
            env=clean_environment(),
            version=json.dumps(config, sort_keys=True),
        )
        status_file = state_dir(cloud, resource) / "status.json"
        if process not in cloud.processes.running():
            status_file.unlink(missing_ok=True)  # what an earlier worker said is no sign of this one
        cloud.processes.ensure(spec)
        cloud.processes.wait_ready(process, status_file.exists)

    def remove(self, cloud: Cloud, resource: Resource) -> None:
        cloud.processes.stop([process_name(resource)])

    def process(self, resource: Resource) -> str | None:
        return process_name(resource) if desired_state(resource) == RUNNING else None

    def log(self, cloud: Cloud, resource: Resource) -> Log:
        labels = {
            "resource_container": cloud.project,
            "location": resource.inputs["location"],
            "stream_id": resource.inputs["streamId"],
        }
        return Log(process_name(resource), "datastream.googleapis.com/Stream", labels)

    def problem(self, cloud: Cloud, resource: Resource) -> str | None:
        """Why the stream does not run although it should; its worker needs a moment to find out."""
        if desired_state(resource) != RUNNING:
            return None
        deadline = time.monotonic() + _FIRST_WORDS_S
        folder, process = state_dir(cloud, resource), process_name(resource)
        while (worker := status.read(folder)) and worker.state == "STARTING" and time.monotonic() < deadline:
            time.sleep(0.02)
        if worker and worker.state == "FAILED":
            return (
                f"the stream has failed: {worker.error}. Mend that (migrate makes the publication and the slot: "
                "`omnipipe job migrate` runs it again), then `omnipipe up`"
            )
        if process not in cloud.processes.running():
            return f"the worker ended: {cloud.processes.last_words(process)} (all of it: omnipipe logs {process})"
        return None


def desired_state(stream: Resource) -> str:
    """RUNNING, PAUSED or NOT_STARTED."""
    return stream.inputs.get("desiredState", "NOT_STARTED")


def process_name(stream: Resource) -> str:
    """The name of a stream's worker."""
    return f"datastream-{stream.inputs['streamId']}"


def state_dir(cloud: Cloud, stream: Resource) -> Path:
    """Where a stream's worker keeps its state."""
    return cloud.home.path("datastream", stream.inputs["streamId"])


KINDS: dict[str, Kind] = {
    "gcp:datastream/privateConnection:PrivateConnection": Recorded(
        "projects/{project}/locations/{location}/privateConnections/{privateConnectionId}"
    ),
    PROFILE: Profile(
        "projects/{project}/locations/{location}/connectionProfiles/{connectionProfileId}",
        effect="read by the stream's worker",
    ),
    STREAM: Stream(),
}
