"""Who made a job is remembered, and with it whose a result is."""

import pytest

from omnipipe.laptop.services.bigquery.gate import makers
from omnipipe.laptop.services.bigquery.gate.makers import Makers


def test_a_result_is_its_querys_makers_and_no_other_table_is() -> None:
    known = Makers()
    known.remember("a-b-c", "ann")
    assert known.of("a-b-c") == "ann"
    assert known.of("abc") is None
    assert known.of_result("_bqemu_anonymous", "anonabc") == "ann"
    assert known.of_result("_bqemu_anonymous", "abc") is None
    assert known.of_result("_bqemu_anonymous", "anonb") is None
    assert known.of_result("raw", "anonabc") is None


def test_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(makers, "_REMEMBERED", 2)
    known = Makers()
    for job in ("a", "b", "c"):
        known.remember(job, "ann")
    assert [known.of(job) for job in ("a", "b", "c")] == [None, "ann", "ann"]
