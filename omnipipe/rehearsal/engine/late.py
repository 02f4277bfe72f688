"""What others need without naming it is done late, so that who does not wait for it is not lucky.

A grant and a version of a secret appear in no input of what uses them: only a dependency orders the two, and where one
is forgotten, the grant is mostly the quicker. Here it never is.
"""

from __future__ import annotations

import re

_S = 3.0
# The grants that somebody is asked for when something is made: docs/rehearsal.md, "Who must be granted what". Those on
# a project are left out: the provider makes them one after the other, and there are many.
_HOSTS = frozenset({"artifactregistry", "cloudkms", "pubsub", "secretmanager", "storage"})
_GRANT = re.compile(r"[^?]*(:setIamPolicy|/b/[^/]+/iam)(\?.*)?")
_VERSION = re.compile(r"[^?]*/secrets/[^/]+:addVersion(\?.*)?")


def seconds(method: str, host: str, path: str) -> float:
    """How long a request waits before it is done."""
    changes = method in ("POST", "PUT", "PATCH")
    return _S if changes and host in _HOSTS and (_GRANT.fullmatch(path) or _VERSION.fullmatch(path)) else 0.0
