"""The module `text`. Regular expressions are RE2's, leftmost-longest, as Google documents them."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

import re2

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import define
from omnipipe.laptop.services.workflows.interpreter.stdlib.arguments import need

_OPTIONS = re2.Options()
_OPTIONS.longest_match = True
_OPTIONS.log_errors = False


@lru_cache(128)
def _compiled(regexp: str) -> Any:
    try:
        return re2.compile(regexp, _OPTIONS)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise failure("ValueError", f"{regexp!r} is not a regular expression of RE2: {reason}") from None


def _pattern(regexp: Any) -> Any:
    need(regexp, str, "regexp")
    return _compiled(regexp)


def _matches(source: str, regexp: Any) -> Iterator[Any]:
    """The matches from the left; an empty one right behind another one does not count."""
    end = -1
    for match in _pattern(regexp).finditer(source):
        if match.end() > match.start() or match.start() != end:
            yield match
        end = match.end()


@define("text.decode")
def decode(data: Any, charset: Any = "UTF-8") -> str:
    """Text of bytes."""
    need(data, bytes, "data")
    need(charset, str, "charset")
    try:
        return data.decode(charset)
    except LookupError:
        raise failure("ValueError", f"unknown charset {charset!r}") from None


@define("text.encode")
def encode(data: Any, charset: Any = "UTF-8") -> bytes:
    """Bytes of text."""
    need(data, str, "data")
    need(charset, str, "charset")
    try:
        return data.encode(charset)
    except LookupError:
        raise failure("ValueError", f"unknown charset {charset!r}") from None


@define("text.find_all")
def find_all(source: Any, substr: Any) -> list[int]:
    """The indexes at which a substring starts, from the left, without overlap."""
    need(source, str, "source")
    need(substr, str, "substr")
    return [match.start() for match in re.finditer(re.escape(substr), source)]


@define("text.find_all_regex")
def find_all_regex(source: Any, regexp: Any) -> list[dict[str, Any]]:
    """The matches of a regular expression, each as a map of `index` and `match`."""
    need(source, str, "source")
    return [{"index": match.start(), "match": match[0]} for match in _matches(source, regexp)]


@define("text.match_regex")
def match_regex(source: Any, regexp: Any) -> bool:
    """Whether a regular expression matches anywhere in a text."""
    need(source, str, "source")
    return _pattern(regexp).search(source) is not None


@define("text.replace_all")
def replace_all(source: Any, substr: Any, repl: Any) -> str:
    """A text with every occurrence of a substring replaced."""
    need(source, str, "source")
    need(substr, str, "substr")
    need(repl, str, "repl")
    return source.replace(substr, repl)


@define("text.replace_all_regex")
def replace_all_regex(source: Any, regexp: Any, repl: Any) -> str:
    """A text with every match replaced; the replacement is taken as it is, without references to groups."""
    need(source, str, "source")
    need(repl, str, "repl")
    parts, position = [], 0
    for match in _matches(source, regexp):
        parts += [source[position : match.start()], repl]
        position = match.end()
    return "".join([*parts, source[position:]])


@define("text.split")
def split(source: Any, separator: Any) -> list[str]:
    """The parts of a text between a separator; its characters for an empty one."""
    need(source, str, "source")
    need(separator, str, "separator")
    return source.split(separator) if separator else list(source)


@define("text.substring")
def substring(source: Any, start: Any, end: Any) -> str:
    """The characters from `start` up to, and not including, `end`."""
    need(source, str, "source")
    need(start, int, "start")
    need(end, int, "end")
    return source[start:end]


@define("text.to_lower")
def to_lower(source: Any) -> str:
    """A text in lower case."""
    need(source, str, "source")
    return source.lower()


@define("text.to_upper")
def to_upper(source: Any) -> str:
    """A text in upper case."""
    need(source, str, "source")
    return source.upper()


@define("text.url_decode")
def url_decode(source: Any) -> str:
    """A text with its percent-encoding undone."""
    need(source, str, "source")
    return unquote_plus(source)


@define("text.url_encode")
def url_encode(source: Any) -> str:
    """A text percent-encoded, a space as `%20`."""
    need(source, str, "source")
    return quote(source, safe="")


@define("text.url_encode_plus")
def url_encode_plus(source: Any) -> str:
    """A text percent-encoded, a space as `+`."""
    need(source, str, "source")
    return quote_plus(source)
