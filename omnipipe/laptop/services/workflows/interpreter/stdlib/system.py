"""The modules `sys` and `time`."""

import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import define
from omnipipe.laptop.services.workflows.interpreter.stdlib.arguments import need, need_number
from omnipipe.laptop.services.workflows.interpreter.stdlib.data import json_encode_to_string
from omnipipe.laptop.services.workflows.interpreter.values import jsonable, scalar_text

if TYPE_CHECKING:
    from omnipipe.laptop.services.workflows.interpreter.execution import Execution

MAX_SLEEP = 31_536_000
"""Longest sleep, in seconds: a year."""
# The time of RFC 3339, which is less than ISO 8601 allows.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_ABSENT: Any = object()
_SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")


@define("sys.get_env", context=True)
def get_env(execution: "Execution", name: Any, default: Any = None) -> str:
    """The value of an environment variable, or the default, or else a KeyError."""
    need(name, str, "name")
    if default is not None:
        need(default, str, "default")
    value = execution.environment.variable(name)
    if value is not None:
        return value
    if default is None:
        raise failure("KeyError", f"the environment variable {name} is not set: set it or give a default")
    return default


@define("sys.log", context=True, blocking=True)
def log(
    execution: "Execution",
    data: Any = _ABSENT,
    severity: Any = "DEFAULT",
    text: Any = _ABSENT,
    json: Any = _ABSENT,
    timeout: Any = None,
) -> None:
    """Write a log entry: exactly one of data, text and json, of any type."""
    if timeout is not None:
        need_number(timeout, "timeout")
    need(severity, str, "severity")
    if severity not in _SEVERITIES:
        raise failure("ValueError", f"{severity!r} is no severity: use one of {', '.join(_SEVERITIES)}")
    payloads = [value for value in (data, text, json) if value is not _ABSENT]
    if len(payloads) != 1:
        raise failure("ValueError", "sys.log takes exactly one of data, text and json")
    [payload] = payloads
    jsonable(payload, "the log entry")
    if type(payload) is not dict or text is not _ABSENT:
        known = scalar_text(payload)
        payload = json_encode_to_string(payload) if known is None else known
    execution.environment.log(severity, payload)


@define("sys.now")
def now() -> float:
    """Seconds since 1970, with their fraction."""
    return time.time()


@define("sys.sleep", context=True, blocking=True)
def sleep(execution: "Execution", seconds: Any) -> None:
    """Wait."""
    need_number(seconds, "seconds")
    if not 0 <= seconds <= MAX_SLEEP:
        raise failure("ValueError", f"seconds must be from 0 to {MAX_SLEEP}")
    execution.sleep(seconds)


@define("sys.sleep_until", context=True, blocking=True)
def sleep_until(execution: "Execution", time: Any) -> None:
    """Wait until a time of RFC 3339, at most a year ahead."""
    seconds = parse(time) - now()
    if seconds > MAX_SLEEP:
        raise failure("ValueError", "time must be at most a year ahead")
    execution.sleep(max(seconds, 0))


@define("time.format")
def format_time(seconds: Any, timezone: Any = "UTC") -> str:
    """A time in ISO 8601 with microseconds, in a time zone of the tz database."""
    need_number(seconds, "seconds")
    need(timezone, str, "timezone")
    try:
        zone = ZoneInfo(timezone or "UTC")
    except (LookupError, ValueError, OSError):  # OSError: the name of a folder of the database
        raise failure("ValueError", f"{timezone!r} is no time zone") from None
    text = datetime.fromtimestamp(seconds, UTC).astimezone(zone).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


@define("time.parse")
def parse(value: Any) -> float:
    """Seconds since 1970 of a time in the whole form of RFC 3339: date, time with seconds, zone."""
    need(value, str, "value")
    wrong = failure("ValueError", f"{value!r} is not an RFC 3339 time, such as 2024-05-08T13:22:58Z")
    if not _RFC3339.fullmatch(value):
        raise wrong
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:  # such as the 30th of February
        raise wrong from None
