"""Artifacts at an MLflow endpoint: snapshots and charts, uploaded or copied to where the run keeps them."""

from __future__ import annotations

import time
from pathlib import Path

from fitscribe import charts, pace
from fitscribe.dialects.answers import Broken, content
from fitscribe.dialects.artifacts import copied, place, stored
from fitscribe.dialects.calls import Calls
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.errors import ServerError, TransportError
from fitscribe.guard import guarded
from fitscribe.records import Artifact, Drawing

__all__ = ["Files"]

PATIENCE = 2.0  # seconds that a drawing stands back while the user trains
TRIES = 5  # of an upload that the server breaks down on (500), as some do when a folder is in the file's way


class Files:
    """Uploads to one endpoint."""

    def __init__(self, calls: Calls, runs: Runs) -> None:
        """Make no call yet."""
        self.calls, self.runs = calls, runs

    def upload(self, parcel: Parcel, record: Artifact) -> None:
        """Upload a snapshot. `ServerError`: it is gone, or this endpoint cannot take it."""
        file = parcel.file(record)
        if not file.exists():
            raise ServerError(0, "", f"the snapshot {record.file} was removed before it was sent")
        self.put(parcel, record.path, file)

    def draw(self, parcel: Parcel, record: Drawing) -> None:
        """Draw a chart and upload it; without matplotlib it is left out."""
        picture: bytes | None = None
        pace.stand_back(time.monotonic() + PATIENCE)  # drawing is the heaviest thing that happens in the background
        with guarded(f"drawing {record.path}"):
            picture = charts.draw(record.chart)
        if picture is not None:
            self.put(parcel, record.path, picture)

    def put(self, parcel: Parcel, path: str, body: Path | bytes) -> None:
        """Let the run have an artifact. `TransportError`: later; `ServerError`: never."""
        target = self._place(parcel, path)
        if isinstance(target, Path):
            return _copy(body, target)
        try:
            content(self.calls.uri, target, self.calls.transport.send("PUT", target, body))
        except Broken as error:
            parcel.breakdowns += 1
            if parcel.breakdowns < TRIES:
                raise
            parcel.breakdowns = 0
            raise ServerError(500, "", str(error)) from None
        parcel.breakdowns = 0
        return None

    def _place(self, parcel: Parcel, path: str) -> str | Path:
        experiment, root = self.runs.home(parcel)
        if self.calls.local:
            return stored(experiment, parcel.book.theirs(parcel.run), path)
        return place(self.calls.uri, root, path)


def _copy(body: Path | bytes, target: Path) -> None:
    try:
        copied(body, target)
    except (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise ServerError(0, "", f"cannot write {target}: {error.strerror}") from None
    except OSError as error:
        raise TransportError(f"cannot write {target} now: {error.strerror or error}") from None
