"""What the demo prints of a figure."""

from decimal import Decimal

from omnipipe.cli.demo import _rounded


def test_a_figure_has_two_places_and_zero_no_sign() -> None:
    assert [_rounded(value) for value in (-0.001, 0.25, Decimal("1234.5"))] == ["0.00", "0.25", "1,234.50"]
    assert [_rounded(value) for value in (7, None, "Berlin")] == [7, None, "Berlin"]
