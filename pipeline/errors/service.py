"""What a server says, or does not say, to a program that asks it."""

from __future__ import annotations

from pipeline.errors.base import KnownfaceError


class ServiceError(KnownfaceError):
    """A server refused a request by rules of its own, or failed; seen by `app.client` only.

    Attributes:
        problem: The code that the server gave, such as `rate_limited`; "" where it gave none.
        status: The HTTP status; None where there was no answer.
        request_id: Stands in the server's log too; "" where there is none.
    """

    code = "service_error"

    def __init__(self, message: str, *, problem: str = "", status: int | None = None, request_id: str = "") -> None:
        super().__init__(message)
        self.problem, self.status, self.request_id = problem, status, request_id


class ServiceUnreachableError(ServiceError):
    """A server does not answer, or went away in the middle."""

    code = "service_unreachable"
