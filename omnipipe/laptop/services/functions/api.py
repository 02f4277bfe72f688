"""The addresses of the program's functions: no API of Google's, but by which everybody comes to them."""

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.services.functions.front_door import blueprint


def serve(control: Control) -> Api:
    """Answer at the addresses of functions."""
    return Api((blueprint(control.cloud, control.gate, control.cloud.tokens, control.inside),))
