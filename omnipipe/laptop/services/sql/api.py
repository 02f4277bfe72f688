"""Cloud SQL has no API on this machine; it hears of each access token, because an IAM user logs in with one."""

from functools import partial

from omnipipe.laptop.api import Api, Control
from omnipipe.laptop.services.sql.resources import login_with_token


def serve(control: Control) -> Api:
    """Let IAM users in with their tokens."""
    return Api(on_access_token=partial(login_with_token, control.cloud))
