"""What a service's API has to do with the process that answers for Google's control services.

A folder of ``omnipipe.laptop.services`` that has an API has a module ``api`` with a function ``serve``, which takes a
``Control`` and returns an ``Api``: the process finds it there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from omnipipe.laptop.iam.gate import Gate

if TYPE_CHECKING:
    from flask import Blueprint

    from omnipipe.laptop.cloud import Cloud


@dataclass(frozen=True)
class Control:
    """What the process offers.

    ``endpoints`` says for Google's hosts who answers for them here; ``inside`` as which accounts the program's own
    services call functions.
    """

    cloud: Cloud
    gate: Gate
    endpoints: Callable[[], Mapping[str, str]]
    inside: Callable[[], Container[str]]


@dataclass(frozen=True)
class Api:
    """What a service adds to the process.

    Each route of a blueprint says what it needs (``omnipipe.laptop.iam.control``), or it is for nobody. ``work`` runs
    in a thread until its event is set; ``close`` ends what is going on. ``on_access_token`` is told of each access
    token that a workload gets: its account, the scopes, the token, its end in seconds since 1970.
    """

    blueprints: tuple[Blueprint, ...] = ()
    work: Callable[[threading.Event], None] | None = None
    close: Callable[[], None] | None = None
    on_access_token: Callable[[str, str, str, float], None] | None = None
