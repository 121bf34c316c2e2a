"""Artifacts at an MLflow endpoint: snapshots and charts, by the road that the run's artifact URI asks for."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote

import msgspec

from fitscribe import charts, pace
from fitscribe.dialects.answers import Broken, content
from fitscribe.dialects.artifacts import ROUTE, InStore, place, stored
from fitscribe.dialects.calls import Calls
from fitscribe.dialects.multipart import Multipart
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.dialects.shared import SharedFolders
from fitscribe.errors import ServerError
from fitscribe.guard import guarded
from fitscribe.records import Artifact, Drawing
from fitscribe.transport.objectstores import ObjectStore

__all__ = ["Files", "Home"]

PATIENCE = 2.0  # seconds that a drawing stands back while the user trains
LARGE = 16 << 20  # bytes from which on the server is asked whether it has them all


class Home(NamedTuple):
    """Where the files of a logged model go: its experiment, what the endpoint calls it, its artifact URI, its name."""

    experiment: str
    theirs: str
    root: str
    name: str


class Files:
    """Uploads to one endpoint."""

    def __init__(self, calls: Calls, runs: Runs) -> None:
        """Make no call yet."""
        self.calls, self.runs = calls, runs
        self.moved = 0.0  # monotonic seconds of the last sign of life from a store beside the endpoint
        self._multipart = Multipart(calls, self._moving)
        self._shared = SharedFolders(calls)

    def close(self) -> None:
        """Let go of connections."""
        self._multipart.close()

    def _moving(self) -> None:
        self.moved = time.monotonic()

    def upload(self, parcel: Parcel, record: Artifact, home: Home | None = None) -> None:
        """Upload a snapshot, as one of the run or of the model at `home`.

        `ServerError`: it is gone, or this endpoint cannot take it.
        """
        file = parcel.file(record)
        if not file.exists():
            raise ServerError(0, "", f"the snapshot {record.file} was removed before it was sent")
        path = record.path.removeprefix(f"{home.name}/") if home else record.path
        body: Path | bytes = file
        if record.model and record.path.endswith("/MLmodel"):
            theirs = parcel.book.theirs(parcel.run)
            ids = {"model_id": home.theirs} if home else {}
            if home and not self.calls.local:  # an embedded store may be moved
                ids["artifact_path"] = home.root
            body = with_ids(file.read_bytes(), {**ids, "run_id": theirs})
        self.put(parcel, path, body, home)

    def draw(self, parcel: Parcel, record: Drawing) -> None:
        """Draw a chart and upload it; without matplotlib it is left out."""
        picture: bytes | None = None
        pace.stand_back(time.monotonic() + PATIENCE)  # drawing is the heaviest thing that happens in the background
        with guarded(f"drawing {record.path}"):
            picture = charts.draw(record.chart)
        if picture is not None:
            self.put(parcel, record.path, picture)

    def put(self, parcel: Parcel, path: str, body: Path | bytes, home: Home | None = None) -> None:
        """Let the run, or the model at `home`, have an artifact. `TransportError`: later; `ServerError`: never."""
        target = self._place(parcel, path, home)
        if isinstance(target, InStore):
            with _as_file(body, target.path) as file:
                ObjectStore(target.root, self._moving).put(file, target.path)
        elif isinstance(target, Path):
            root = home.root if home else self.runs.home(parcel)[1]
            theirs = home.theirs if home else parcel.book.theirs(parcel.run)
            self._shared.write(body, target, theirs, root, path, of_model=home is not None)
        else:
            self._send(parcel, target, body)

    def _send(self, parcel: Parcel, target: str, body: Path | bytes) -> None:
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        below = target.removeprefix(f"{ROUTE}/")
        if isinstance(body, Path) and self._multipart.fits(size) and self._multipart.upload(below, body):
            return
        content(self.calls.uri, target, self.calls.transport.send("PUT", target, body))
        if size >= LARGE and not self.calls.local:
            self._look(below, size)

    def _look(self, below: str, size: int) -> None:
        """See that a large file is whole there: a server may keep what came before its connection was cut."""
        folder, _, name = unquote(below).rpartition("/")
        with contextlib.suppress(ServerError):  # it does not list
            answer = self.calls.transport.send("GET", ROUTE, {"path": folder})
            for each in content(self.calls.uri, ROUTE, answer).get("files") or []:
                there = int(each.get("file_size") or size)
                if each.get("path") == name and there != size:
                    raise Broken(f"{self.calls.uri} has {there} of {size} bytes of {name} after its upload")

    def _place(self, parcel: Parcel, path: str, home: Home | None) -> str | Path | InStore:
        if home is not None:
            if self.calls.local:
                return stored(f"{home.experiment}/models", home.theirs, path)
            return place(self.calls.uri, home.root, path, depth=1)
        experiment, root = self.runs.home(parcel)
        if self.calls.local:
            return stored(experiment, parcel.book.theirs(parcel.run), path)
        return place(self.calls.uri, root, path)


@contextlib.contextmanager
def _as_file(body: Path | bytes, path: str) -> Iterator[Path]:
    if isinstance(body, Path):
        yield body
        return
    with tempfile.TemporaryDirectory(prefix="fitscribe-") as folder:
        file = Path(folder, f"content{PurePosixPath(path).suffix}")
        file.write_bytes(body)
        yield file


def with_ids(mlmodel: bytes, ids: Mapping[str, str]) -> bytes:
    """Return an MLmodel file with other ids in it, sorted by key as before; what else it says stays byte for byte."""
    parts: dict[str, str] = {}
    key = ""
    for line in mlmodel.decode("utf-8").splitlines(keepends=True):
        if line[0] not in " \t\r\n-":  # else it goes on with the value of the key before
            key = line.partition(":")[0]
        parts[key] = parts.get(key, "") + line
    parts |= {key: f"{key}: {msgspec.json.encode(value).decode()}\n" for key, value in ids.items()}
    return "".join(parts[key] for key in sorted(parts)).encode("utf-8")
