"""How a stream connects: what the program says of certificates is checked, as far as a Unix socket goes."""

from typing import Any

import pytest

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.deployment import Deployment
from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.datastream.resources import KINDS, PROFILE, STREAM
from omnipipe.laptop.services.sql.resources import INSTANCE


def register(cloud: Cloud, ssl: dict[str, Any] | None) -> Resource:
    """A profile, beside an instance with a certificate."""
    outputs = {"serverCaCerts": [{"cert": "of the instance"}]}
    cloud.registry.put(Resource(INSTANCE, "oltp", {"settings": {}}, outputs, "oltp"))
    profile: dict[str, Any] = {"hostname": "/h", "username": "u", "database": "d"}
    inputs = {
        "location": "europe-west1",
        "connectionProfileId": "source",
        "postgresqlProfile": profile | ({"sslConfig": ssl} if ssl else {}),
    }
    Deployment(cloud).register(PROFILE, "source", inputs, False)
    (made,) = cloud.registry.of_type(PROFILE)
    return made


@pytest.mark.parametrize("ssl", [None, {"serverVerification": {"caCertificate": "of the instance"}}])
def test_an_instances_own_certificate_is_taken_and_none_too(cloud: Cloud, ssl: dict[str, Any] | None) -> None:
    assert register(cloud, ssl).id.endswith("/connectionProfiles/source")


@pytest.mark.parametrize(
    ("ssl", "words"),
    [
        ({"serverVerification": {"caCertificate": "of another"}}, "caCertificate is of no instance here"),
        ({"serverAndClientVerification": {}}, "no client certificates, choose serverVerification"),
    ],
)
def test_a_server_that_datastream_would_not_know_is_refused(cloud: Cloud, ssl: dict[str, Any], words: str) -> None:
    with pytest.raises(LaptopError, match=words):
        register(cloud, ssl)


def test_a_stream_that_is_paused_has_no_worker_and_is_well(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud, "bigquery", lambda: "http://127.0.0.1:1")
    source = register(cloud, None)
    inputs = {
        "location": "europe-west1",
        "streamId": "cdc",
        "desiredState": "PAUSED",
        "sourceConfig": {"sourceConnectionProfile": source.id},
        "destinationConfig": {"destinationConnectionProfile": source.id},
    }
    deployment = Deployment(cloud)
    _, outputs = deployment.register(STREAM, "cdc", inputs, False)
    deployment.prove()

    assert outputs["state"] == "PAUSED"
    assert cloud.processes.running() == {}
    (stream,) = cloud.registry.of_type(STREAM)
    assert KINDS[STREAM].process(stream) is None
