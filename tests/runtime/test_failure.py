"""What a failure is called: words that somebody wrote stay, and a defect is told with its place."""

import json
from collections.abc import Callable

import pytest
from google.api_core.exceptions import NotFound

from omnipipe.runtime import failure
from omnipipe.runtime.job import StepFailed


def caught(work: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - any is of interest
        work()
    return raised.value


def here(work: Callable[[], object]) -> str:
    return f"(tests/runtime/test_failure.py, line {work.__code__.co_firstlineno})"


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        (lambda: {}["x"], "KeyError: 'x'"),
        (lambda: None.x, "AttributeError: 'NoneType' object has no attribute 'x'"),  # type: ignore[attr-defined]
        (lambda: 1 // 0, "ZeroDivisionError: integer division or modulo by zero"),
        (lambda: int("x"), "ValueError: invalid literal for int() with base 10: 'x'"),
        (lambda: json.loads(""), "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),  # in a library
        (lambda: next(iter(())), "StopIteration"),
    ],
)
def test_a_defect_is_told_with_its_type_and_the_place_in_the_project(
    defect: Callable[[], object], said: str
) -> None:
    assert failure.words(caught(defect)) == f"{said} {here(defect)}"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StepFailed("model fct_trip: no such column"), "model fct_trip: no such column"),
        (NotFound("Table raw.weather"), "404 Table raw.weather"),
        (ValueError("WEBHOOK_URL cannot be asked"), "WEBHOOK_URL cannot be asked"),
        (RuntimeError(), "RuntimeError"),
        (OSError(" "), "OSError"),
        (SystemExit(1), "1"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_what_was_raised_to_be_read_stays_as_it_is(error: BaseException, said: str) -> None:
    def refuse() -> None:
        raise error

    assert failure.words(caught(refuse)) == said


def test_a_key_is_no_sentence_whoever_raises_it() -> None:
    def refuse() -> None:
        raise KeyError("x")

    place = f"(tests/runtime/test_failure.py, line {refuse.__code__.co_firstlineno + 1})"
    assert failure.words(caught(refuse)) == f"KeyError: 'x' {place}"


def test_what_was_never_raised_has_no_place() -> None:
    assert failure.words(KeyError("x")) == "'x'"
