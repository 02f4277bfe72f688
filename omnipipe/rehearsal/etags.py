"""Etags: a change that was made from an older state is refused (https://google.aip.dev/154)."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Collection

_counter = itertools.count(1)


def new() -> str:
    """An etag that was never given before: eight bytes, in base64."""
    return base64.b64encode(next(_counter).to_bytes(8, "big")).decode()


def is_stale(sent: str | None, current: str | None, former: Collection[str], *, any_form: bool) -> bool:
    """Whether an etag is not the one of the present state.

    With ``any_form``, one in Google's form that was never given here is let through: it was recorded elsewhere.
    """
    text = (sent or "").strip('"')
    if not text or text in ("*", current):
        return False
    return not any_form or text in former or not _is_etag(text)


def _is_etag(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 8
    except (ValueError, binascii.Error):
        return False
