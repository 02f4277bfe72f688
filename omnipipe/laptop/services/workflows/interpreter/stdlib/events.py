"""The module `events`: callbacks."""

from typing import TYPE_CHECKING, Any

from omnipipe.laptop.services.workflows.interpreter.callbacks import Callbacks, NoSuchCallback
from omnipipe.laptop.services.workflows.interpreter.errors import failure
from omnipipe.laptop.services.workflows.interpreter.functions import define
from omnipipe.laptop.services.workflows.interpreter.stdlib.arguments import need, need_number
from omnipipe.laptop.services.workflows.interpreter.transport import METHODS

if TYPE_CHECKING:
    from omnipipe.laptop.services.workflows.interpreter.execution import Execution

DEFAULT_TIMEOUT = 43_200
"""Seconds to wait for a callback."""
MAX_TIMEOUT = 31_536_000


@define("events.create_callback_endpoint", context=True, blocking=True)
def create_callback_endpoint(execution: "Execution", http_callback_method: Any = "POST") -> dict[str, str]:
    """Make an endpoint that expects one call or more; its address is the `url` of the result."""
    need(http_callback_method, str, "http_callback_method")
    if http_callback_method not in METHODS:
        methods = ", ".join(METHODS)
        raise failure("ValueError", f"{http_callback_method!r} is no HTTP method: use one of {methods}")
    return {"url": _callbacks(execution).create(http_callback_method)}


@define("events.await_callback", context=True, blocking=True)
def await_callback(execution: "Execution", callback: Any, timeout: Any = DEFAULT_TIMEOUT) -> dict[str, Any]:
    """Wait for a call of an endpoint of this execution, and return it."""
    need(callback, dict, "callback")
    need_number(timeout, "timeout")
    if not 0 < timeout <= MAX_TIMEOUT:
        raise failure("ValueError", f"timeout must be over 0 and at most {MAX_TIMEOUT} seconds")
    url = callback.get("url")
    try:
        received = _callbacks(execution).wait(url if type(url) is str else "", timeout, execution.cancel)
    except NoSuchCallback:
        raise failure("ValueError", f"{url!r} is no callback endpoint that this execution has made") from None
    execution.check_cancelled()
    if received is None:
        raise failure("TimeoutError", f"nobody called the callback endpoint within {timeout} s")
    return received


def _callbacks(execution: "Execution") -> Callbacks:
    if execution.environment.callbacks is None:
        raise failure("SystemError", "nobody here listens for callbacks")
    return execution.environment.callbacks
