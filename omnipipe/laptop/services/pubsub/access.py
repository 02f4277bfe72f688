"""Who asks, and whether they may. https://cloud.google.com/pubsub/docs/access-control"""

from __future__ import annotations

import logging
from collections.abc import Mapping

import grpc

from omnipipe.laptop.iam.gate import Gate, Refused
from omnipipe.laptop.iam.tokens import OWNER
from omnipipe.laptop.services.pubsub.failures import Failure, denied, unauthenticated

logger = logging.getLogger("iam")


class Caller:
    """Somebody who sent a request."""

    def __init__(self, access: Access, email: str) -> None:
        self._access = access
        self.email = email

    def may(self, permission: str, resource: str) -> bool:
        """Whether the program's grants allow it; the owner may everything."""
        return self._access.may(self.email, permission, resource)

    def need(self, permission: str, resource: str) -> None:
        """Raise Failure (PERMISSION_DENIED) unless the caller may do something to a resource."""
        if not self.may(permission, resource):
            logger.warning("%s: Permission '%s' denied on resource '%s'", self.email, permission, resource)
            raise denied(permission, resource)


class Access:
    """The gate before Pub/Sub."""

    def __init__(self, gate: Gate, agent: str) -> None:
        """``agent`` is the address of Pub/Sub's own account, as which it writes elsewhere."""
        self._gate = gate
        self.agent = Caller(self, agent)

    def caller(self, authorization: str | None, address: str | None) -> Caller:
        """Who sent a request: whose token it has, or else whose address it came to.

        Raises Failure (UNAUTHENTICATED) for a token that is none, and for none at the address that is nobody's own.
        """
        if authorization is None and address is not None:
            return Caller(self, address)
        try:
            return Caller(self, self._gate.caller(authorization))
        except Refused as error:
            raise unauthenticated(error.message) from error

    def need_to_write(self, writer: str, needed: Mapping[str, str], to: str) -> None:
        """Raise Failure (PERMISSION_DENIED), in Google's words, unless who writes for a subscription may do it all.

        ``needed`` has the permissions, each with its resource; ``to`` says what it writes to.
        """
        lacking = [each for each, resource in needed.items() if not self.may(writer, each, resource)]
        if lacking:
            raise Failure(
                grpc.StatusCode.PERMISSION_DENIED,
                f"Service account {writer} is missing permissions required to write to the {to}: "
                f"{', '.join(lacking)}.",
            )

    def may(self, email: str, permission: str, resource: str) -> bool:
        """Whether an account may do something to a resource."""
        return email == OWNER or self._gate.bindings().allow(email, permission, resource)
