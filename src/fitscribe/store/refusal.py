"""A refusal: an error answer of the protocol, raised by whoever finds what is wrong."""

from __future__ import annotations

__all__ = ["Refusal", "exists", "invalid", "missing", "unserved"]


class Refusal(Exception):
    """An answer other than 200: HTTP `status`, the protocol's error `code`, and `message` for the person."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Keep the three."""
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> dict[str, str]:
        """Return the JSON body."""
        return {"error_code": self.code, "message": self.message}


def invalid(message: str) -> Refusal:
    """Return a refusal of what was sent: 400."""
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> Refusal:
    """Return the answer for a run, experiment, tag or artifact that is not there: 404."""
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", message)


def exists(message: str) -> Refusal:
    """Return the answer for a name that is taken: 400, as the protocol has it."""
    return Refusal(400, "RESOURCE_ALREADY_EXISTS", message)


def unserved(message: str, status: int = 404) -> Refusal:
    """Return the answer for a route that is not there: 404, or 405 where the method is wrong."""
    return Refusal(status, "ENDPOINT_NOT_FOUND", message)
