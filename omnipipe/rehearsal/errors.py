"""Google's errors: their names, and the bodies in which the APIs send them.

The newer APIs answer with google.rpc.Status (https://google.aip.dev/193); those that are older than it list reasons
(https://cloud.google.com/storage/docs/json_api/v1/status-codes), with or without the newer status beside them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_REASON = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "alreadyExists",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
}


# What a status is as a number, which operations carry.
_NUMBER = {
    "INVALID_ARGUMENT": 3,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "FAILED_PRECONDITION": 9,
    "INTERNAL": 13,
}


class Refused(Exception):
    """A request that Google would not do.

    ``code`` is HTTP's, ``status`` google.rpc's, ``reason`` that of the older APIs; ``details`` are google.rpc's.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: str = "",
        reason: str = "",
        details: Iterable[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS[code]
        self.reason = reason or _REASON[code]
        self.details = list(details)

    def body(self, *, reasons: bool = False, status: bool = True) -> dict[str, Any]:
        """The answer's JSON: ``reasons`` as the older APIs list them, ``status`` unless they have none."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if reasons:
            error["errors"] = [{"message": self.message, "domain": "global", "reason": self.reason}]
        if status:
            error["status"] = self.status
        if self.details:
            error["details"] = self.details
        return {"error": error}

    def rpc(self) -> dict[str, Any]:
        """What an operation that failed carries: google.rpc.Status."""
        return {"code": _NUMBER[self.status], "message": self.message}


def aborted(message: str) -> Refused:
    """What was read before a change is no longer what is there."""
    return Refused(409, message, status="ABORTED", reason="conflict")


def failed_precondition(message: str, reason: str = "failedPrecondition") -> Refused:
    """The request is right, and what is there does not allow it."""
    return Refused(400, message, status="FAILED_PRECONDITION", reason=reason)


def bad_request(violations: Iterable[tuple[str, str]]) -> Refused:
    """A request that does not fit the API's schema: where (as field path, or "") and what, each."""
    found = list(violations)
    fields = [({"field": where} if where else {}) | {"description": what} for where, what in found]
    return Refused(
        400,
        "\n".join(what for _, what in found),
        reason="badRequest",
        details=[{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields}],
    )
