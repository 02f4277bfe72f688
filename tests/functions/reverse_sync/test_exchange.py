"""One exchange with a receiver that means no good: where it leads, how long it takes, how much it says."""

import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import exchange  # pyright: ignore[reportMissingImports] - conftest.py says where
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask, request
from flask.testing import FlaskClient
from google.cloud import bigquery

from tests.functions.conftest import serving
from tests.functions.reverse_sync.conftest import Receiver, call
from tests.functions.reverse_sync.kpis import kpi, put, statuses

BODY = b"{}"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Write = Callable[[socket.socket], None]


@contextmanager
def listening(write: Write, tls: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[int]]]:
    """A server that reads a request and then does what it likes; yields its port, and its requests by connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[int] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            number = len(requests)
            requests.append(0)
            threading.Thread(target=answer, args=(connection, number), daemon=True).start()

    def answer(connection: socket.socket, number: int) -> None:
        try:
            with tls.wrap_socket(connection, server_side=True) if tls else connection as stream:
                while data := stream.recv(65536):
                    if data.endswith(BODY):  # the headers may come by themselves
                        requests[number] += 1
                        write(stream)
        except OSError:
            return  # the other side has had enough

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], requests
    finally:
        listener.close()


def post(port: int, scheme: str = "http") -> Any:
    connection = exchange.Connection(f"{scheme}://localhost:{port}/hook", allow_private=True)
    try:
        return connection.post(BODY, {})
    finally:
        connection.close()


def slowly(data: bytes) -> Write:
    """A byte each tenth of a second, for ever."""

    def write(stream: socket.socket) -> None:
        stream.sendall(data)
        while True:
            stream.sendall(b".")
            time.sleep(0.1)

    return write


DRIPS = {
    "status line": b"HTTP/1.",
    "headers": b"HTTP/1.1 200 OK\r\nX: ",
    "body": b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
    "body without an end": b"HTTP/1.1 200 OK\r\n\r\n",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n",
}


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS with a certificate of localhost that is trusted in this test."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")]),
    )
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    monkeypatch.setattr("certifi.where", lambda: str(file))
    return context


@pytest.mark.parametrize("data", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_byte_now_and_then_ends_in_time(
    data: bytes, scheme: str, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_EXCHANGE_S", 1.0)
    began = time.monotonic()
    with (
        listening(slowly(data), trusted if scheme == "https" else None) as (port, _),
        pytest.raises(exchange.NoAnswer, match="no whole answer within 1 s"),
    ):
        post(port, scheme)
    assert time.monotonic() - began < 10


def test_an_endless_answer_is_read_no_further_than_a_person_would() -> None:
    written = []

    def pour(stream: socket.socket) -> None:
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            stream.sendall(b"x" * 65536)
            written.append(65536)

    with listening(pour) as (port, _):
        reply = post(port)
    assert (reply.status, len(reply.text)) == (200, 4096)
    assert sum(written) < 50_000_000  # what fits into the buffers of both sides, and not a gigabyte


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"",
        b"hello\r\n\r\n",
    ],
)
def test_an_answer_that_is_cut_off_or_none_at_all_is_no_answer(answer: bytes) -> None:
    def cut(stream: socket.socket) -> None:
        stream.sendall(answer)
        stream.shutdown(socket.SHUT_RDWR)

    with listening(cut) as (port, _), pytest.raises(exchange.NoAnswer):
        post(port)


def test_a_connection_is_kept_for_the_next_message_and_made_anew_when_it_is_gone() -> None:
    with listening(lambda stream: stream.sendall(OK)) as (port, requests):
        connection = exchange.Connection(f"http://localhost:{port}/", allow_private=True)
        assert [connection.post(BODY, {}).text for _ in range(3)] == ["ok"] * 3
        assert requests == [3]
        connection.close()
        assert connection.post(BODY, {}).status == 200
        assert requests == [3, 1]
        connection.close()


def test_a_certificate_is_checked(trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(lambda stream: stream.sendall(OK), trusted) as (port, _):
        assert post(port, "https").status == 200
        monkeypatch.undo()
        with pytest.raises(exchange.NotSent, match="certificate verify failed"):
            post(port, "https")


def test_a_path_and_a_query_are_sent_as_they_are_written() -> None:
    lines: list[str] = []
    app = Flask("echo")

    @app.route("/<path:_>", methods=["POST"])
    def receive(_: str) -> str:
        lines.append(request.environ["RAW_URI"])
        return ""

    with serving(app) as address:
        exchange.Connection(f"{address}/a b/%C3%BC/ü?token=x%2Fy&z", allow_private=True).post(BODY, {})
    assert lines == ["/a%20b/%C3%BC/%C3%BC?token=x%2Fy&z"]


INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",  # shared by providers, RFC 6598
    "169.254.169.254",  # metadata
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%1",
    "fd20:ce::254",  # metadata, by IPv6
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "2002:7f00:1::",  # 127.0.0.1 as 6to4
    "2002:a9fe:a9fe::1",  # 169.254.169.254 as 6to4
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",  # 10.0.0.1 as Teredo
]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    assert not exchange.is_public(address)


OUTSIDE = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_public_internet_is_none_of_them(address: str) -> None:
    assert exchange.is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"])
def test_a_receiver_inside_is_not_connected_to_by_whatever_name(host: str) -> None:
    with (
        listening(lambda stream: stream.sendall(OK)) as (port, requests),
        pytest.raises(exchange.AddressRefused, match="not of the public internet"),
    ):
        exchange.Connection(f"http://{host}:{port}/", allow_private=False).post(BODY, {})
    assert requests == []


def test_what_counts_is_the_address_that_is_connected_to_and_not_a_look_up_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that leads outside at first, and inside when it is asked again."""
    lookup = socket.getaddrinfo

    with listening(lambda stream: stream.sendall(OK)) as (port, requests):
        answers = iter(["8.8.8.8", "127.0.0.1"])
        tried: list[Any] = []

        def resolve(host: str, *rest: Any, **more: Any) -> Any:
            return lookup(next(answers) if host == "hooks.example.com" else host, *rest, **more)

        def refuse(self: socket.socket, address: Any) -> None:
            tried.append(address)
            raise ConnectionRefusedError("nobody there")

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setattr(exchange._Timed, "connect", refuse, raising=False)
        connection = exchange.Connection(f"http://hooks.example.com:{port}/", allow_private=False)
        with pytest.raises(exchange.NotSent, match="nobody there"):
            connection.post(BODY, {})
        with pytest.raises(exchange.AddressRefused, match=r"hooks\.example\.com leads to 127\.0\.0\.1"):
            connection.post(BODY, {})
    assert tried == [("8.8.8.8", port)]
    assert requests == []


@pytest.mark.parametrize("allowed", ["false", "true"])
def test_the_setting_decides_whether_a_receiver_inside_gets_anything(
    receiver: Receiver,
    sync: FlaskClient,
    client: bigquery.Client,
    monkeypatch: pytest.MonkeyPatch,
    allowed: str,
) -> None:
    monkeypatch.setenv("WEBHOOK_ALLOW_PRIVATE", allowed)
    put(client, *(kpi(number) for number in range(150)))
    code, answer = call(sync)
    assert receiver.summary()["received"] == (150 if allowed == "true" else 0)
    if allowed == "false":
        assert code == 500
        assert (
            "nothing more was sent: 127.0.0.1 leads to 127.0.0.1, which is not of the public internet: another "
            "webhookUrl, or the stack's setting webhookAllowPrivate"
        ) in answer["error"]
        assert set(statuses(client)) == {"unsent"}


def test_an_endless_answer_counts_as_the_answer_that_it_begins_with(
    receiver: Receiver, sync: FlaskClient, client: bigquery.Client
) -> None:
    put(client, kpi(0))
    receiver.fault(mode="endless")
    assert call(sync)[1]["rows"] == 1
