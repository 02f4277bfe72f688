"""Names of Pub/Sub's resources: https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names"""

from __future__ import annotations

import re

from omnipipe.laptop.services.pubsub.failures import invalid

_ID = re.compile(r"(?!goog)[A-Za-z][-\w.~+%]{2,254}", re.ASCII)
_NAME = re.compile(r"projects/([^/]+)/([a-z]+)/([^/]+)")
DELETED_TOPIC = "_deleted-topic_"
DELETED_SCHEMA = "_deleted-schema_"


def new(collection: str, name: str) -> str:
    """The name of a resource that is to be made. Raises Failure for one that Pub/Sub does not take."""
    known(collection, name)
    if not _ID.fullmatch(name.rpartition("/")[2]):
        raise _refused(collection, name)
    return name


def known(collection: str, name: str) -> str:
    """The name of a resource that should be there. Raises Failure for what is no name of a resource of that kind."""
    found = _NAME.fullmatch(name)
    if not found or found[2] != collection:
        raise _refused(collection, name)
    return name


def project_of(name: str) -> str:
    """``projects/P`` of a name, or of what is a project's own name. Raises Failure for anything else."""
    parts = name.split("/")
    if len(parts) < 2 or parts[0] != "projects" or not parts[1]:
        raise invalid(f"Invalid [projects] name: (name={name})")
    return "/".join(parts[:2])


def _refused(collection: str, name: str) -> Exception:
    return invalid(
        f"Invalid [{collection}] name: (name={name}). Refer to "
        "https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names for more information."
    )
