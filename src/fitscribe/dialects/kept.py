"""What did not fit at an endpoint, kept whole in artifacts of the run: long or surplus params, tags and datasets."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from fitscribe.dialects.answers import Absent, content
from fitscribe.dialects.artifacts import InStore, place, stored
from fitscribe.dialects.calls import Calls, Step
from fitscribe.dialects.files import Files
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.errors import NotFoundError, ServerError
from fitscribe.records import Artifact
from fitscribe.transport.objectstores import ObjectStore

__all__ = ["DATASETS", "PARAMS", "TAGS", "Kept", "cut", "merged"]

FOLDER = "fitscribe"
PARAMS, TAGS, DATASETS = f"{FOLDER}/params.json", f"{FOLDER}/tags.json", f"{FOLDER}/datasets.json"
DOTS = "..."


class Kept:
    """Reads such an artifact of a run, adds to it, and writes it back; nothing in it is overwritten."""

    def __init__(self, calls: Calls, runs: Runs, files: Files) -> None:
        """Make no call yet."""
        self.calls, self.runs, self.files = calls, runs, files

    def steps(self, parcel: Parcel) -> list[Step]:
        """Return the steps that write down what has come together in `parcel.kept`."""
        return [Step(partial(self._write, parcel, path), parcel.kept[path].says) for path in list(parcel.kept)]

    def takes_in(self, parcel: Parcel, record: Artifact) -> bool:
        """Take in what the capture wing has kept whole itself; False for any other artifact."""
        if record.path not in (PARAMS, TAGS, DATASETS):
            return False
        file = parcel.file(record)
        told = _read(file.read_bytes()) if file.exists() else None
        if not isinstance(told, list if record.path == DATASETS else dict):
            return False
        parcel.keep(record.path, told, record)
        return True

    def _write(self, parcel: Parcel, path: str) -> None:
        whole = self._there(parcel, path)
        for each in parcel.kept[path].contents:
            whole = merged(path, whole, each)
        self.files.put(parcel, path, msgspec.json.format(msgspec.json.encode(whole), indent=2))
        del parcel.kept[path]

    def _there(self, parcel: Parcel, path: str) -> Any:
        """Return what the artifact holds so far, or None."""
        found = self._bytes(parcel, path) if self._may_exist(parcel, path) else None
        if found is None:
            return None
        told = _read(found)
        if not isinstance(told, list if path == DATASETS else dict):
            raise ServerError(0, "", f"the run's artifact {path} holds something else, and is left as it is")
        return told

    def _may_exist(self, parcel: Parcel, path: str) -> bool:
        """Ask for a list first: to read a file that is not there breaks some servers down."""
        question = {"run_id": parcel.book.theirs(parcel.run), "path": FOLDER}
        try:
            found = self.calls.ask("GET", "artifacts/list", question).get("files") or []
        except (Absent, ServerError):
            return True
        return any(each.get("path") == path for each in found)

    def _bytes(self, parcel: Parcel, path: str) -> bytes | None:
        experiment, root = self.runs.home(parcel)
        local = self.calls.local
        target = (
            stored(experiment, parcel.book.theirs(parcel.run), path) if local else place(self.calls.uri, root, path)
        )
        if isinstance(target, InStore):
            return _from_store(target)
        if isinstance(target, Path):
            return target.read_bytes() if target.exists() else None
        answer = self.calls.transport.send("GET", target)
        if answer.status == 404:
            return None
        if answer.status >= 300:
            content(self.calls.uri, target, answer)
        return answer.body.read_bytes() if isinstance(answer.body, Path) else bytes(answer.body or b"")


def cut(short: str, whole: str) -> bool:
    """True when `short` is all of a text, or the beginning of it that a limit left."""
    return short == whole or (short.endswith(DOTS) and len(short) < len(whole) and whole.startswith(short[:-3]))


def merged(path: str, there: Any, told: Any) -> Any:
    """Add what was told to what is there: a param keeps its value, a tag gets the new one, no whole text a cut one."""
    if isinstance(told, list):
        return [*(there or []), *(each for each in told if each not in (there or []))]
    whole: dict[str, Any] = dict(there or {})
    for key, new in told.items():
        old = whole.get(key)
        if old is None or cut(str(old), str(new)) or (path == TAGS and not cut(str(new), str(old))):
            whole[key] = new
    return whole


def _read(text: bytes) -> Mapping[str, Any] | list[Any] | None:
    try:
        found: Mapping[str, Any] | list[Any] | None = msgspec.json.decode(text)
    except ValueError:
        return None
    return found


def _from_store(target: InStore) -> bytes | None:
    with tempfile.TemporaryDirectory(prefix="fitscribe-") as folder:
        file = Path(folder, "content.json")
        try:
            ObjectStore(target.root).get(target.path, file)
        except NotFoundError:
            return None
        return file.read_bytes()
