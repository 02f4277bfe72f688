"""The addresses: one for each account, for gRPC and REST alike."""

import socket

import psutil
import requests

from omnipipe.laptop.ports import HOST
from omnipipe.laptop.services.pubsub.addresses import Connections
from tests.laptop.services.pubsub.conftest import Running
from tests.laptop.services.pubsub.receiving import until


def test_an_address_that_another_program_has_is_told_and_taken_when_it_is_free(pubsub: Running) -> None:
    port = 1 + max(pubsub.cloud.pubsub_accounts())
    health = f"{pubsub.cloud.pubsub_url}/healthz"
    with socket.socket() as other:
        other.bind((HOST, port))
        other.listen()
        who = f"late-{pubsub.new()}@x.iam.gserviceaccount.com"
        assert pubsub.cloud.pubsub_address(who) == f"{HOST}:{port}"
        (problem,) = until(lambda: requests.get(health, timeout=5).json()["problems"])
        assert problem == f"port {port}, for {who}: Address already in use"
    until(lambda: requests.get(health, timeout=5).ok)
    assert requests.get(f"http://{HOST}:{port}/healthz", timeout=5).ok


def test_it_listens_on_this_machine_only(pubsub: Running) -> None:
    assert pubsub.process
    listening = {
        connection.laddr.ip.rpartition(":")[2]  # gRPC has it in the form of IPv6
        for connection in psutil.Process(pubsub.process.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {HOST}


def test_two_connections_from_one_port_to_two_servers_are_two() -> None:
    grpc, rest = Connections(1), Connections(2)
    grpc.opened(4000, "poller")
    rest.opened(4000, None)
    assert (grpc.account_of(4000), rest.account_of(4000)) == ("poller", None)
    rest.closed(4000)
    assert grpc.account_of(4000) == "poller"


def test_who_says_nothing_or_nonsense_harms_nobody(pubsub: Running) -> None:
    port = int(pubsub.address().rpartition(":")[2])
    for said in (b"", b"P", b"PRI * nonsense\r\n\r\n", b"\x00\x01\x02", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((HOST, port), timeout=5) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            client.recv(1000)
    assert pubsub.publisher().publish(pubsub.topic(), b"x").result(10)
