"""Which tables of a stream are being backfilled, as Datastream says."""

import datastream_api  # pyright: ignore[reportMissingImports] - conftest.py says where
import pytest

from omnipipe.runtime.job import StepFailed
from tests.jobs.catch_up.conftest import STREAM, Datastream


def test_tables_of_all_pages_whose_backfill_has_not_ended(datastream: Datastream) -> None:
    datastream.pages = [
        {"trips": "ACTIVE", "a": "COMPLETED", "b": "NOT_STARTED"},
        {"customers": "PENDING", "c": "STOPPED", "d": "FAILED"},
    ]
    assert datastream_api.backfilling(STREAM) == ["public.customers", "public.trips"]
    assert set(datastream.asked) == {"Bearer an-access-token"}


def test_a_refusal_is_told_in_datastream_s_words(datastream: Datastream) -> None:
    datastream.error = (403, {"error": {"message": "Permission 'datastream.objects.list' denied"}})
    with pytest.raises(StepFailed, match=r"the tables of .*/cdc: Permission 'datastream.objects.list' denied"):
        datastream_api.backfilling(STREAM)


def test_no_answer_is_told(datastream: Datastream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datastream_api, "_ADDRESS", "http://127.0.0.1:9")
    with pytest.raises(StepFailed, match="Datastream does not answer: "):
        datastream_api.backfilling(STREAM)
