"""Filters: what they let through, and what is none."""

import pytest

from omnipipe.laptop.services.pubsub.failures import Failure
from omnipipe.laptop.services.pubsub.filters import parse

VIENNA = {"city": "Vienna", "kind": "order.paid", "a key": "x", "unicode": "ü"}


@pytest.mark.parametrize(
    ("text", "lets_through"),
    [
        ("attributes:city", True),
        ("attributes:town", False),
        ('attributes:"a key"', True),
        ('attributes.city = "Vienna"', True),
        ('attributes.city="Vienna"', True),
        ('attributes.city = "vienna"', False),
        ('attributes.city != "Graz"', True),
        ('attributes.city != "Vienna"', False),
        ('attributes.town != "Vienna"', True),
        ('attributes."a key" = "x"', True),
        ('hasPrefix(attributes.kind, "order.")', True),
        ('hasPrefix(attributes.kind, "cart")', False),
        ('hasPrefix(attributes.town, "")', False),
        ("NOT attributes:town", True),
        ("-attributes:city", False),
        ('attributes:city AND attributes.kind = "order.paid"', True),
        ("attributes:town OR attributes:city", True),
        ("attributes:city AND (attributes:town OR attributes:kind)", True),
        ("NOT (attributes:city AND attributes:kind)", False),
        ("attributes:a OR attributes:b OR attributes:kind", True),
        (r'attributes.unicode = "\u00fc"', True),
        (r'attributes.unicode = "\xfc"', True),
        (r'attributes.city = "\126ienna"', True),
    ],
)
def test_a_filter_says_which_messages_it_lets_through(text: str, lets_through: bool) -> None:
    assert parse(text)(VIENNA) is lets_through


def test_escapes_stand_for_characters() -> None:
    assert parse(r'attributes.a = "x\"y\\z"')({"a": 'x"y\\z'})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("attributes", "unexpected 'the end' at position 10"),
        ("attributes.city", "unexpected 'the end'"),
        ("attributes.city = Vienna", "unexpected 'Vienna' at position 18"),
        ('data = "x"', "unexpected 'data"),
        ('attributes.city == "x"', "unexpected '= \"x\"' at position 17"),
        ('attributes.city = "x" AND', "unexpected 'the end'"),
        ("attributes:a AND attributes:b OR attributes:c", "unexpected 'OR attributes:c'"),
        ("(attributes:a", "unexpected 'the end'"),
        ("attributes:a attributes:b", "unexpected 'attributes:b'"),
        ('attributes.city = "x', "unexpected '\"x'"),
        ("attributes:a & attributes:b", "unexpected '& attributes:b'"),
        ("hasPrefix(attributes.a)", "unexpected ')'"),
        ("attributes:AND", "unexpected 'AND'"),
    ],
)
def test_what_is_no_filter_is_refused_with_the_place(text: str, words: str) -> None:
    with pytest.raises(Failure) as refused:
        parse(text)
    assert words in refused.value.message
