"""Workflows' API on this machine, which starts executions."""

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.services.workflows.executions import Executions, blueprint


def serve(control: Control) -> Api:
    """Answer for the API of executions."""
    return Api((blueprint(Executions(control.cloud, control.gate, control.endpoints), control.cloud),))
