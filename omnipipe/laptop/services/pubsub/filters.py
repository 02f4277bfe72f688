"""Filters of subscriptions: which messages, by their attributes, are for a subscription at all.

https://cloud.google.com/pubsub/docs/subscription-message-filter#filtering_syntax
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from omnipipe.laptop.services.pubsub.failures import Failure, invalid

MAX_BYTES = 256
Filter = Callable[[Mapping[str, str]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_][\w-]*)|(?P<sign>!=|[()=:.,-]))""", re.ASCII
)
_WORDS = ("AND", "OR", "NOT")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([0-7]{3})|(.))", re.DOTALL)
_CONTROL = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def parse(text: str) -> Filter:
    """The filter of a text. Raises Failure, with the place, for what is none."""
    if len(text.encode()) > MAX_BYTES:
        raise invalid(f"The filter has {len(text.encode())} bytes, but the maximum allowed is {MAX_BYTES}.")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str, int]] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if not found:
                raise self._wrong(at + len(text[at:]) - len(text[at:].lstrip()))
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self._tokens.append(("end", "", len(text)))
        self._at = 0

    def whole(self) -> Filter:
        made = self._expression()
        if self._peek()[0] != "end":
            raise self._wrong()
        return made

    def _expression(self) -> Filter:
        """Terms with AND or with OR; both without parentheses between them are refused."""
        terms = [self._term()]
        word = self._peek()[1]
        while self._peek()[1] in ("AND", "OR"):
            if self._peek()[1] != word:
                raise self._wrong()
            self._next()
            terms.append(self._term())
        if len(terms) == 1:
            return terms[0]
        every = all if word == "AND" else any
        return lambda attributes: every(term(attributes) for term in terms)

    def _term(self) -> Filter:
        if self._peek()[1] in ("NOT", "-") and self._peek()[0] != "string":
            self._next()
            negated = self._simple()
            return lambda attributes: not negated(attributes)
        return self._simple()

    def _simple(self) -> Filter:
        if self._take("("):
            inner = self._expression()
            self._need(")")
            return inner
        if self._take("hasPrefix"):
            self._need("(")
            self._need("attributes")
            self._need(".")
            name = self._name()
            self._need(",")
            prefix = self._string()
            self._need(")")
            return lambda attributes: attributes.get(name, "").startswith(prefix) and name in attributes
        self._need("attributes")
        if self._take(":"):
            key = self._name()
            return lambda attributes: key in attributes
        self._need(".")
        key = self._name()
        if self._take("="):
            wanted = self._string()
            return lambda attributes: attributes.get(key) == wanted
        self._need("!=")
        other = self._string()
        # "The != operator also matches messages that do not have the attribute": NOT (attributes.key = value)
        return lambda attributes: attributes.get(key) != other

    def _name(self) -> str:
        kind, text, _ = self._peek()
        if kind == "string":
            return self._string()
        if kind != "name" or text in _WORDS:
            raise self._wrong()
        self._next()
        return text

    def _string(self) -> str:
        kind, text, _ = self._peek()
        if kind != "string":
            raise self._wrong()
        self._next()
        return _ESCAPE.sub(_unescaped, text[1:-1])

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._at]

    def _next(self) -> None:
        self._at += 1

    def _take(self, text: str) -> bool:
        kind, found, _ = self._peek()
        if kind == "string" or found != text:
            return False
        self._next()
        return True

    def _need(self, text: str) -> None:
        if not self._take(text):
            raise self._wrong()

    def _wrong(self, at: int | None = None) -> Failure:
        place = self._peek()[2] if at is None else at
        near = self._text[place : place + 20] or "the end"
        return invalid(f"Invalid filter syntax: unexpected {near!r} at position {place} of {self._text!r}.")


def _unescaped(found: re.Match[str]) -> str:
    """A character by its number in hexadecimal or octal, or by its name, or itself."""
    if digits := found[1] or found[2]:
        return chr(int(digits, 16))
    return chr(int(found[3], 8)) if found[3] else _CONTROL.get(found[4], found[4])
