"""What was just made is not known everywhere at once: an identity, a grant, an enabled API, a metric.

It takes ``World.propagation`` seconds here. On Google, a grant takes two minutes as a rule and seven or more at worst
(https://cloud.google.com/iam/docs/access-change-propagation), an account a minute or more
(https://cloud.google.com/iam/docs/service-accounts-create), an API a few minutes, a metric up to ten.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from omnipipe.rehearsal.store import Record

if TYPE_CHECKING:
    from omnipipe.rehearsal.control_plane import ControlPlane


def begin(plane: ControlPlane, record: Record) -> None:
    """Let a resource become known from now on. Who asks for it by its own name finds it at once."""
    record.since = plane.clock.now()


def has_passed(plane: ControlPlane, since: datetime | None) -> bool:
    """Whether what became known from a time on is known everywhere by now; None is for ever."""
    return since is None or plane.clock.now() >= since + timedelta(seconds=plane.world.propagation)
