"""Where runs say what they have to say, and the part of a run that says it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fitscribe import afterwards
from fitscribe.records import Artifact, Metrics, Record, Tags, now

__all__ = ["Outlet", "Speaker", "connect", "outlet"]


class Outlet(Protocol):
    """Where runs say what they have to say; `fluent.py` connects the real one, a test its recorder."""

    def emit(self, record: Record) -> None:
        """Take a record; it is safe when this returns."""

    def snapshot(self, content: str | Path | bytes, name: str) -> str:
        """Keep a copy of a file or of bytes; return the name for `Artifact.file`."""

    def spool_path(self, name: str) -> Path:
        """Return a fresh path to write a file to; its name goes through `spooled`."""

    def spooled(self, path: Path) -> str:
        """Return the name for `Artifact.file` of a file written to a `spool_path`."""

    def address(self) -> tuple[str, str, str]:
        """Return tracking URI, experiment name and experiment id for a run that starts now."""

    def source(self) -> dict[str, str]:
        """Return the tags that say who and what runs here, as far as they are cheap to know."""

    def watch(self) -> None:
        """A run is open from now on: see to it that it ends as its process does."""


_outlet: Outlet | None = None


def connect(where: Outlet | None) -> Outlet | None:
    """Let runs speak to `where` from now on; return who listened before."""
    global _outlet
    before, _outlet = _outlet, where
    return before


def outlet() -> Outlet:
    """Return who listens now. `RuntimeError` when nobody was connected, which no user can bring about."""
    if _outlet is None:
        raise RuntimeError("no outlet is connected; import fitscribe.fluent first")
    return _outlet


class Speaker:
    """What all words of a run need: its id, and who listens."""

    id: str
    aside: bool  # another rank records: nothing of this run is written down or sent
    deferred: bool
    metrics: dict[str, float]  # of a run aside: no endpoint has them
    tags: dict[str, str]

    def say(self, record: Record) -> None:
        """Hand a record of this run to the outlet."""
        if not self.aside:
            outlet().emit(record)
        elif isinstance(record, Metrics):
            self.metrics.update(record.values)
        elif isinstance(record, Tags):
            self.tags.update({key: value for key, value in record.values.items() if value is not None})

    def keep(self, content: str | Path | bytes, path: str, model: str = "") -> None:
        """Record a copy of a file, or bytes, as the artifact `path`. `OSError`: it cannot be read."""
        if not self.aside:
            outlet().emit(Artifact(self.id, now(), path, outlet().snapshot(content, path), model))

    def later(self, piece: Callable[[], object]) -> None:
        """Call `piece()` in the background before the run ends; it must hold copies of what may change."""
        if not self.aside:
            self.deferred = True
            afterwards.do(piece)
