"""Ports stay the same, and one that is taken is told with who has it."""

import os
import socket
import threading
from pathlib import Path

import pytest

from omnipipe.laptop.errors import LaptopError
from omnipipe.laptop.ports import HOST, Ports, configured_base


def test_a_service_keeps_its_port(tmp_path: Path) -> None:
    first = Ports(tmp_path / "ports.json", 20000)
    ports = [first.of("bigquery"), first.of("google")]

    again = Ports(tmp_path / "ports.json", 20000)
    assert [again.of("bigquery"), again.of("google")] == ports
    assert len({*ports, again.of("weather")}) == 3


def test_processes_that_opened_the_file_at_other_times_agree(tmp_path: Path) -> None:
    early = Ports(tmp_path / "ports.json", 20000)
    early.of("google")
    late = Ports(tmp_path / "ports.json", 20000)

    given = {name: early.of(name) for name in ("weather-api", "weather")}
    assert {name: late.of(name) for name in ("weather", "weather-api")} == given
    assert late.of("reverse-sync") not in given.values()
    assert early.of("reverse-sync") == late.of("reverse-sync")


def test_a_preview_foresees_ports_and_leaves_nothing(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "not there yet" / "ports.json", 20000)
    ports.foresee()
    assert ports.of("bigquery") != ports.of("google")
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_told_with_its_owner_and_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(
            LaptopError, match=rf"port {port}, for bigquery, is in use by .*pid {os.getpid()}.*OMNIPIPE_PORT="
        ):
            Ports(tmp_path / "ports.json", port).require_free("bigquery")


def test_without_the_setting_the_ports_are_those_that_the_stack_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMNIPIPE_PORT", raising=False)
    assert configured_base() is None


@pytest.mark.parametrize("text", ["http", "80", "70000", ""])
def test_a_setting_that_is_no_port_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIPIPE_PORT", text)

    with pytest.raises(LaptopError, match="OMNIPIPE_PORT is"):
        configured_base()


def test_processes_that_give_ports_at_once_give_no_port_twice(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    given: dict[str, int] = {}

    def give(process: int) -> None:
        own = Ports(file, 20_000)  # as each process has its own
        for number in range(20):
            name = f"{process}-{number}"
            given[name] = own.of(name)

    threads = [threading.Thread(target=give, args=(process,)) for process in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(given.values()) == list(range(20_000, 20_080))
    assert {name: Ports(file, 20_000).of(name) for name in given} == given
