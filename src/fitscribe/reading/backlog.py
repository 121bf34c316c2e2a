"""The backlog: what this process recorded and an endpoint may not know yet; reads settle it first."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Backlog", "backlog", "connect"]


class Backlog(Protocol):
    """Who can bring an endpoint up to date; without one connected, this process has recorded nothing."""

    def flush(self, seconds: float) -> bool:
        """Deliver what was recorded so far; False when it was not all delivered in time."""

    def endpoint_id(self, run_id: str, seconds: float) -> str:
        """Return the endpoint's id for a run id of ours, and any other id as it is; waits for the run's creation."""

    def address(self) -> tuple[str, str, str]:
        """Return tracking URI, experiment name and experiment id that a run would get that starts now."""


_backlog: Backlog | None = None


def connect(new: Backlog | None) -> Backlog | None:
    """Let reads settle `new` first from now on; return what they settled before."""
    global _backlog
    before, _backlog = _backlog, new
    return before


def backlog() -> Backlog | None:
    """Return what reads are to settle first, if anything."""
    return _backlog
