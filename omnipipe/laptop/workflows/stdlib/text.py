"""The module `text`."""

import re
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from omnipipe.laptop.workflows.errors import failure
from omnipipe.laptop.workflows.functions import define
from omnipipe.laptop.workflows.stdlib.arguments import need

# Google's engine is RE2, which has none of: look-around, back references, atomic groups, conditionals
_NOT_RE2 = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?(?:[=!>(]|<[=!]|P=)|\\[1-9]|[*+?}]\+)")


def _pattern(regexp: Any) -> re.Pattern[str]:
    need(regexp, str, "regexp")
    if _NOT_RE2.search(regexp):
        raise failure("ValueError", f"{regexp!r} uses what RE2 lacks, such as look-around or back references")
    try:
        return re.compile(regexp)
    except re.error as error:
        raise failure("ValueError", f"{regexp!r} is not a regular expression: {error}") from None


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
    return [{"index": match.start(), "match": match[0]} for match in _pattern(regexp).finditer(source)]


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
    r"""A text with every match replaced; `\0` to `\9` in the replacement are the match and its groups."""
    need(source, str, "source")
    need(repl, str, "repl")
    pattern = _pattern(regexp)
    wanted = [int(digit) for digit in re.findall(r"\\([0-9])", repl.replace("\\\\", ""))]
    if max(wanted, default=0) > pattern.groups:
        raise failure("ValueError", f"{repl!r} names group {max(wanted)}, but {regexp!r} has {pattern.groups}")

    def expand(match: re.Match[str]) -> str:
        return re.sub(r"\\([0-9\\])", lambda found: "\\" if found[1] == "\\" else match[int(found[1])] or "", repl)

    return pattern.sub(expand, source)


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
