"""The Logging query language, as far as metrics and policies of this project use it.

https://cloud.google.com/logging/docs/view/logging-query-language: comparisons joined by AND, OR and NOT, with
parentheses. NOT binds closest, then OR, then AND. What is not of this part is refused with its position, so that a
filter never matches something else here than on Google.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from omnipipe.laptop.errors import LaptopError

# https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#LogSeverity
SEVERITIES = {
    "DEFAULT": 0,
    "DEBUG": 100,
    "INFO": 200,
    "NOTICE": 300,
    "WARNING": 400,
    "ERROR": 500,
    "CRITICAL": 600,
    "ALERT": 700,
    "EMERGENCY": 800,
}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<operator>=~|!~|!=|<=|>=|=|<|>|:)
      | (?P<parenthesis>[()])
      | (?P<number>-?\d+(?:\.\d+)?)(?![\w.])
      | (?P<word>[A-Za-z_@*][\w@/*-]*(?:\.[\w@/*-]+)*(?:\."[^"]*")?)
    )""",
    re.VERBOSE,
)
_WORDS = ("AND", "OR", "NOT")
# Part of Python's regular expressions and not of RE2, which Google reads.
_NOT_RE2 = re.compile(r"\(\?(?:[=!]|<[=!]|P=)|\\[1-9]")
_MISSING = object()
_NUMERIC: dict[str, Callable[[float, float], bool]] = {
    "<": lambda found, wanted: found < wanted,
    "<=": lambda found, wanted: found <= wanted,
    ">": lambda found, wanted: found > wanted,
    ">=": lambda found, wanted: found >= wanted,
    "=": lambda found, wanted: found == wanted,
    "!=": lambda found, wanted: found != wanted,
}


class FilterError(LaptopError):
    """A filter that cannot be used; the text says where and why."""


@dataclass(frozen=True)
class Token:
    """A word of a filter: its kind, its text without quotes, and where it begins."""

    kind: str
    text: str
    at: int


# Whether an entry matches; None when that depends on fields which are not known yet.
Test = Callable[[Mapping[str, Any], bool], bool | None]


class Filter:
    """A compiled filter. Raises FilterError for what cannot be read or is not supported."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._tokens = _tokens(text)
        self._next = 0
        self._test = self._conjunction()
        if (token := self._peek()) is not None:
            raise self._error(token, "expected AND or OR")

    def matches(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry matches."""
        return bool(self._test(entry, False))

    def may_match(self, resource: Mapping[str, Any]) -> bool:
        """Whether some entry of a monitored resource could match."""
        return self._test({"resource": resource}, True) is not False

    def _peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self, what: str) -> Token:
        token = self._peek()
        if token is None:
            raise FilterError(f"the filter ends where {what} should be: {self.text}")
        self._next += 1
        return token

    def _takes(self, word: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind in ("word", "parenthesis") and token.text == word
        self._next += found
        return found

    def _error(self, token: Token, problem: str) -> FilterError:
        return FilterError(
            f"{problem}, found {token.text!r} at character {token.at + 1} of the filter: {self.text}"
        )

    def _conjunction(self) -> Test:
        tests = [self._disjunction()]
        while self._takes("AND"):
            tests.append(self._disjunction())
        return tests[0] if len(tests) == 1 else _all(tests)

    def _disjunction(self) -> Test:
        tests = [self._negation()]
        while self._takes("OR"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else _any(tests)

    def _negation(self) -> Test:
        if self._takes("NOT"):
            return _not(self._negation())
        if self._takes("("):
            inner = self._conjunction()
            if not self._takes(")"):
                raise self._error(self._take("a closing parenthesis"), "expected a closing parenthesis")
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        field = self._take("a field")
        if field.kind != "word" or field.text in _WORDS:
            raise self._error(field, "expected a field, such as jsonPayload.figure")
        operator = self._take("an operator")
        if operator.kind != "operator":
            raise self._error(
                operator, "expected an operator, such as = or >=; a search for text is not supported"
            )
        value = self._take("a value")
        if value.kind not in ("string", "word", "number") or (value.kind == "word" and value.text in _WORDS):
            raise self._error(value, "expected a value")
        return _field_test(tuple(_path(field.text)), self._predicate(field.text, operator.text, value))

    def _predicate(self, field: str, operator: str, value: Token) -> Callable[[Any], bool]:
        """What a field's value is asked. Without a field, every comparison is false."""
        if operator in ("=~", "!~"):
            if _NOT_RE2.search(value.text):
                raise self._error(value, "this regular expression is not one of RE2")
            try:
                pattern = re.compile(value.text)
            except re.error as error:
                raise self._error(value, f"a regular expression that cannot be read ({error})") from error
            wanted = operator == "=~"
            return lambda found: isinstance(found, str) and (pattern.search(found) is not None) is wanted
        if operator == ":":
            if value.kind == "word" and value.text == "*":
                return lambda found: True
            part = value.text.casefold()
            return lambda found: part in _as_text(found)
        if field == "severity":
            if value.text.upper() not in SEVERITIES:
                raise self._error(value, f"a severity is one of {', '.join(SEVERITIES)}")
            compare, level = _NUMERIC[operator], SEVERITIES[value.text.upper()]
            return lambda found: compare(SEVERITIES.get(str(found).upper(), 0), level)
        if value.kind == "number":
            compare, number = _NUMERIC[operator], float(value.text)
            return lambda found: _is_number(found) and compare(found, number)
        if operator not in ("=", "!="):
            raise self._error(value, f"{operator} compares numbers and severities only")
        text, equal = value.text.casefold(), operator == "="
        return lambda found: (_as_text(found) == text) is equal


def lookup(entry: Any, path: tuple[str, ...]) -> Any:
    """The value of a field by its path, or None when there is none."""
    found = _lookup(entry, path)
    return None if found is _MISSING else found


def field_path(text: str) -> tuple[str, ...]:
    """The path of a field, such as ``jsonPayload.value``. Raises FilterError for anything else."""
    token = _TOKEN.fullmatch(text.strip())
    if token is None or token.lastgroup != "word":
        raise FilterError(f"{text!r} is no field: write one such as jsonPayload.value")
    return tuple(_path(text.strip()))


def _tokens(text: str) -> list[Token]:
    tokens, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            begin = at + len(text[at:]) - len(text[at:].lstrip())
            raise FilterError(
                f"cannot read {text[begin : begin + 20]!r} at character {begin + 1} of the filter: {text}"
            )
        found = match[match.lastgroup]
        if match.lastgroup == "string":
            found = re.sub(r'\\(["\\])', r"\1", found[1:-1])
        tokens.append(Token(match.lastgroup, found, match.start(match.lastgroup)))
        at = match.end()
    return tokens


def _path(field: str) -> list[str]:
    head, quote, rest = field.partition('."')
    return [*head.split("."), *([rest.removesuffix('"')] if quote else [])]


def _lookup(entry: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        if not isinstance(entry, Mapping) or part not in entry:
            return _MISSING
        entry = entry[part]
    return entry


def _field_test(path: tuple[str, ...], predicate: Callable[[Any], bool]) -> Test:
    def test(entry: Mapping[str, Any], partial: bool) -> bool | None:
        if partial and path[0] not in entry:
            return None
        found = _lookup(entry, path)
        return found is not _MISSING and predicate(found)

    return test


def _all(tests: list[Test]) -> Test:
    def test(entry: Mapping[str, Any], partial: bool) -> bool | None:
        unknown = False
        for one in tests:
            found = one(entry, partial)
            if found is False:
                return False
            unknown = unknown or found is None
        return None if unknown else True

    return test


def _any(tests: list[Test]) -> Test:
    return _not(_all([_not(one) for one in tests]))


def _not(inner: Test) -> Test:
    def test(entry: Mapping[str, Any], partial: bool) -> bool | None:
        found = inner(entry, partial)
        return None if found is None else not found

    return test


def _as_text(found: Any) -> str:
    return ("true" if found else "false") if isinstance(found, bool) else str(found).casefold()


def _is_number(found: Any) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool)
