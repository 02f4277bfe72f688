"""Lists a page at a time: https://google.aip.dev/158"""

from __future__ import annotations

from collections.abc import Iterable

from omnipipe.laptop.services.pubsub.failures import invalid

MAX_PAGE = 1000


def page(names: Iterable[str], project: str, size: int, token: str) -> tuple[list[str], str]:
    """The names of a project (all for none) after those of earlier pages, in order, and the token of the next page."""
    if size < 0:
        raise invalid(f"Invalid page_size given: (page_size={size}).")
    prefix = f"{project}/" if project else ""
    found = sorted(name for name in names if name.startswith(prefix) and name > token)
    limit = min(size or MAX_PAGE, MAX_PAGE)
    return found[:limit], found[limit - 1] if len(found) > limit else ""
