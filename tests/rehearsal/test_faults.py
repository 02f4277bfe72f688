"""A share of the requests goes wrong, the same ones each time, before their effect or after it."""

from __future__ import annotations

from collections import Counter

import pytest
import requests

from omnipipe.rehearsal import server
from omnipipe.rehearsal.control_plane import ControlPlane
from omnipipe.rehearsal.faults import Fault, Faults
from omnipipe.rehearsal.journal import Journal

TOPICS = "pubsub/v1/projects/sample-project/topics"
JOBS = "run/v2/projects/sample-project/locations/europe-west1/jobs"
JOB = {"template": {"template": {"containers": [{"image": "gcr.io/sample/hello"}]}}}


def drawn(rate: float, seed: int) -> list[Fault | None]:
    faults = Faults(rate, seed)
    return [faults.of("POST", f"/{number}") for number in range(2000)]


def test_the_share_is_the_rate_and_each_fault_has_its_part() -> None:
    met = Counter(fault for fault in drawn(0.3, 1) if fault)

    assert 0.25 < sum(met.values()) / 2000 < 0.35
    assert set(met) == set(Fault)
    assert drawn(0, 1) == [None] * 2000


def test_a_seed_gives_each_request_its_fate_in_whatever_order_they_come() -> None:
    forth, back = Faults(0.5, 7), Faults(0.5, 7)
    paths = [f"/{number}" for number in range(100)]

    assert [forth.of("PUT", path) for path in paths] == [back.of("PUT", path) for path in reversed(paths)][::-1]
    assert drawn(0.5, 7) != drawn(0.5, 8)


def test_who_tries_again_meets_another_fate() -> None:
    faults = Faults(0.5, 1)
    assert len({faults.of("POST", "/same") is None for _ in range(20)}) == 2


def test_who_only_reads_is_not_disturbed() -> None:
    assert Faults(1, 1).of("GET", "/x") is None


class _Always(Faults):
    """One fault for the first request that changes something, none after it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(1, 1)
        self._fault: Fault | None = fault

    def of(self, method: str, path: str) -> Fault | None:
        fault, self._fault = (self._fault, None) if method != "GET" else (None, self._fault)
        return fault


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault.before])
def test_before_the_effect_nothing_is_done_and_the_second_attempt_does_it(fault: Fault) -> None:
    with server.running(ControlPlane(), faults=_Always(fault)) as address:
        if fault is Fault.REFUSED:
            with pytest.raises(requests.ConnectionError):
                requests.put(f"{address}/{TOPICS}/orders", json={}, timeout=5)
        else:
            refused = requests.put(f"{address}/{TOPICS}/orders", json={}, timeout=5)
            assert (refused.status_code, refused.json()["error"]["code"]) == (fault.value, fault.value)
        assert requests.get(f"{address}/{TOPICS}/orders", timeout=5).status_code == 404
        assert requests.put(f"{address}/{TOPICS}/orders", json={}, timeout=5).ok


def test_a_lost_answer_leaves_what_was_made_in_the_way_of_the_next_attempt() -> None:
    with server.running(ControlPlane(), faults=_Always(Fault.LOST)) as address:
        with pytest.raises(requests.ConnectionError):
            requests.put(f"{address}/{TOPICS}/orders", json={}, timeout=5)
        assert requests.put(f"{address}/{TOPICS}/orders", json={}, timeout=5).status_code == 409


def test_an_operation_that_fails_leaves_its_resource_and_says_so_when_it_is_asked_again() -> None:
    with server.running(ControlPlane(), faults=_Always(Fault.FAILED)) as address:
        operation = requests.post(f"{address}/{JOBS}?jobId=nightly", json=JOB, timeout=5).json()
        assert operation["done"] is True
        assert operation["error"]["code"] == 13
        assert "response" not in operation
        assert requests.get(f"{address}/run/v2/{operation['name']}", timeout=5).json()["error"]["code"] == 13
        assert requests.get(f"{address}/{JOBS}/nightly", timeout=5).ok


def test_an_operation_of_the_older_apis_fails_in_their_form() -> None:
    networks = "compute/compute/v1/projects/sample-project/global/networks"
    with server.running(ControlPlane(), faults=_Always(Fault.FAILED)) as address:
        operation = requests.post(f"{address}/{networks}", json={"name": "shop"}, timeout=5).json()
        assert operation["status"] == "DONE"
        assert operation["error"]["errors"][0]["code"] == "INTERNAL_ERROR"


def test_the_journal_tells_which_requests_went_wrong_on_purpose() -> None:
    journal = Journal()
    with server.running(ControlPlane(), journal=journal, faults=_Always(Fault.UNAVAILABLE)) as address:
        for _ in range(2):
            requests.put(f"{address}/{TOPICS}/orders", json={}, timeout=5)

    first, second = journal.since(0)
    assert (first.fault, first.status, first.message) == (
        Fault.UNAVAILABLE,
        503,
        "The service is currently unavailable.",
    )
    assert (second.fault, second.status) == (None, 200)
    assert second.request == "PUT pubsub/v1/projects/sample-project/topics/orders"
