"""Cloud Storage's API on this machine."""

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.services.storage.objects import blueprint


def serve(control: Control) -> Api:
    """Answer for Cloud Storage's API."""
    return Api((blueprint(control.cloud, control.gate),))
