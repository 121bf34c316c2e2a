"""Why a request gets no prediction, in the words and codes of the protocol."""

from __future__ import annotations

from fitscribe.errors import FitscribeError

__all__ = ["BAD_REQUEST", "BUSY", "INTERNAL_ERROR", "INVALID", "TOO_LARGE", "TOO_LATE", "WRONG_TYPE", "Refusal"]

BAD_REQUEST = (400, "BAD_REQUEST")
INVALID = (400, "INVALID_PARAMETER_VALUE")  # data that does not fit the model's signature
TOO_LARGE = (413, "BAD_REQUEST")
WRONG_TYPE = (415, "BAD_REQUEST")
INTERNAL_ERROR = (500, "INTERNAL_ERROR")
BUSY = (503, "TEMPORARILY_UNAVAILABLE")
TOO_LATE = (504, "DEADLINE_EXCEEDED")


class Refusal(FitscribeError):
    """A request that gets no prediction: the HTTP `status`, the protocol's `code`, and what to do about it."""

    def __init__(self, message: str, reason: tuple[int, str] = BAD_REQUEST) -> None:
        """`reason` is one of this module's pairs of status and code."""
        super().__init__(message)
        self.status, self.code = reason
