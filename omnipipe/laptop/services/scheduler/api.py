"""Cloud Scheduler has no API on this machine: its clock runs in the process of those that have one."""

from functools import partial

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.services.scheduler import clock


def serve(control: Control) -> Api:
    """Let the clock run."""
    return Api(work=partial(clock.run, control.cloud, control.endpoints))
