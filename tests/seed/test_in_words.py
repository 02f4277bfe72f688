"""What `traffic` says of what it has done."""

from seed.traffic import in_words


def test_one_is_told_as_one() -> None:
    changes = {"trips_requested": 1_200, "customers_deleted": 1, "fares_corrected": 0}
    assert in_words(changes) == "1,200 trips requested, 1 customer deleted, 0 fares corrected"
