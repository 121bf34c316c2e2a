"""Transports: how a request reaches an endpoint, over HTTP or in this process. One method, `send`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from fitscribe.errors import TransportError

__all__ = ["BROKEN", "LATER", "Answer", "Transport", "Unsent", "lives"]

BROKEN = 500  # from this status on the endpoint itself is in trouble
LATER = (408, 425, 429)  # it asks for patience


def lives(status: int) -> bool:
    """True when an answer is a sign of life; an exit waits for others no longer than for silence."""
    return status < BROKEN and status not in LATER


class Answer(NamedTuple):
    """What an endpoint answered: HTTP status, and the JSON body as a dict or any other body as bytes."""

    status: int
    body: Any
    headers: Mapping[str, str] = {}


class Unsent(TransportError):
    """No connection came about, so the endpoint surely knows nothing of the request."""


class Transport(Protocol):
    """A road to one endpoint; safe to use from several threads."""

    def send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None = None) -> Answer:
        """Send one request and return the answer, whatever its status.

        `path` begins with `/api/...` and is appended to the tracking URI. A dict is the query of a GET and the JSON
        body of anything else; bytes, or the file at a Path, are sent as they are. With a Path, a GET over HTTP lets a
        good answer's body go to that file, and the answer's body is the Path. `TransportError`: no answer came.
        """

    def close(self) -> None:
        """Let go of connections and files; a later `send` opens them again."""
