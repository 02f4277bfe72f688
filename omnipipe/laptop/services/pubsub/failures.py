"""Errors as Pub/Sub answers them: a status of gRPC, a text, and for machines a reason with details."""

from __future__ import annotations

from collections.abc import Mapping

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "pubsub.googleapis.com"
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto: each code and its number in HTTP.
HTTP = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}


class Failure(Exception):
    """A request that is refused. ``reason`` and ``details`` are those of google.rpc.ErrorInfo, if it has one."""

    def __init__(
        self, status: grpc.StatusCode, message: str, reason: str = "", details: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.details = dict(details or {})

    def rich(self) -> status_pb2.Status:
        """As google.rpc.Status, with the reason."""
        made = status_pb2.Status(code=self.status.value[0], message=self.message)
        if self.reason:
            info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.details)
            packed = any_pb2.Any()
            packed.Pack(info)
            made.details.append(packed)
        return made


def invalid(message: str) -> Failure:
    """INVALID_ARGUMENT."""
    return Failure(grpc.StatusCode.INVALID_ARGUMENT, message)


def precondition(message: str) -> Failure:
    """FAILED_PRECONDITION."""
    return Failure(grpc.StatusCode.FAILED_PRECONDITION, message)


def not_found(name: str) -> Failure:
    """NOT_FOUND, of a resource by its whole name."""
    return Failure(grpc.StatusCode.NOT_FOUND, f"Resource not found (resource={name.rpartition('/')[2]}).")


def exists(name: str) -> Failure:
    """ALREADY_EXISTS, of a resource by its whole name."""
    short = name.rpartition("/")[2]
    return Failure(grpc.StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={short}).")


def not_here(what: str) -> Failure:
    """UNIMPLEMENTED: something of Google's that the laptop does not have."""
    return Failure(grpc.StatusCode.UNIMPLEMENTED, f"The laptop's Pub/Sub has no {what}.")


def internal(error: Exception) -> Failure:
    """INTERNAL, for what should not happen; the log has all of it."""
    return Failure(grpc.StatusCode.INTERNAL, f"The laptop's Pub/Sub has failed: {type(error).__name__}: {error}")


def denied(permission: str, resource: str) -> Failure:
    """PERMISSION_DENIED, which permission on what is in its details, as Google has it."""
    return Failure(
        grpc.StatusCode.PERMISSION_DENIED,
        "User not authorized to perform this action.",
        "IAM_PERMISSION_DENIED",
        {"permission": permission, "resource": resource},
    )


def unauthenticated(message: str) -> Failure:
    """UNAUTHENTICATED."""
    return Failure(grpc.StatusCode.UNAUTHENTICATED, message)


def too_large(name: str, given: int, most: int) -> Failure:
    """A figure that is over its limit, in Pub/Sub's words."""
    return invalid(
        f"The value for {name} is too large. You passed {given} in the request, but the maximum value is {most}."
    )


def out_of_range(name: str, given: int, least: int, most: int) -> Failure:
    """A figure of a policy that is under or over its limits, in Pub/Sub's words."""
    word, limit = (
        ("small", f"minimum value is {least}") if given < least else ("large", f"maximum value is {most}")
    )
    return Failure(
        grpc.StatusCode.OUT_OF_RANGE,
        f"The value for {name} is too {word}. You passed {given} in the request, but the {limit}.",
    )
