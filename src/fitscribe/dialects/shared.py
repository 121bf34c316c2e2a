"""Shared folders: a path that a server names may be a folder of another machine, and is tried before it is trusted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fitscribe.dialects.answers import Absent
from fitscribe.dialects.artifacts import copied, loopback, unreachable
from fitscribe.dialects.calls import Calls
from fitscribe.errors import ServerError, TransportError

__all__ = ["SharedFolders"]

ABOVE = 3  # folders of a store's path that belong to one run: <experiment>/<run>/artifacts; one more of a model
PATIENCE = 30.0  # seconds that a network file system may take to show a new file to the other machine


class SharedFolders:
    """The folders of one endpoint: the first file of each store is looked for through the server's eyes."""

    def __init__(self, calls: Calls) -> None:
        """Try nothing yet."""
        self.calls = calls
        self._known: dict[Path, bool] = {}
        self._since: dict[Path, float] = {}

    def write(
        self, file: Path | bytes, target: Path, theirs: str, root: str, path: str, *, of_model: bool = False
    ) -> None:
        """Copy an artifact to `target`, which is `path` in the folder `root` of the run, or model, they call `theirs`.

        `ServerError`: that folder is of the server's machine alone; nothing is left of the attempt here.
        `TransportError`: it may work later.
        """
        store = target.parents[len(Path(path).parts) - 1 + ABOVE + of_model]
        shared = self._known.get(store)
        if shared is False:
            raise unreachable(root, "is a folder of the server's machine, and another one here")
        new = _missing(target.parent) if shared is None else []
        _copy(file, target)
        if shared is None:
            self._try(store, target, new, root, partial(self._seen, theirs, path, of_model))

    def _try(self, store: Path, target: Path, new: list[Path], root: str, seen: Callable[[], bool]) -> None:
        try:
            shared = seen()
        except TransportError:
            _take_back(target, new)
            raise
        if not shared:
            _take_back(target, new)
            since = self._since.setdefault(store, time.monotonic())
            if not loopback(self.calls.uri) and time.monotonic() - since < PATIENCE:
                raise TransportError(f"{self.calls.uri} does not see {target} yet")
            self._known[store] = False
            raise unreachable(root, "is a folder of the server's machine, and another one here")
        self._known[store] = True

    def _seen(self, theirs: str, path: str, of_model: bool) -> bool:
        """Ask the server whether it sees the file; one that cannot tell is believed when it is on this machine."""
        folder = path.rpartition("/")[0]
        question = {"run_id": theirs, **({"path": folder} if folder else {})}
        tail = "artifacts/list"
        if of_model:
            question = {"artifact_directory_path": folder} if folder else {}
            tail = f"logged-models/{theirs}/artifacts/directories"
        try:
            found = self.calls.ask("GET", tail, question).get("files") or []
        except Absent:
            return loopback(self.calls.uri)
        except ServerError:
            return False
        return any(each.get("path") == path for each in found)


def _missing(folder: Path) -> list[Path]:
    """Return the folders that are to be made, the deepest first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]


def _take_back(target: Path, new: list[Path]) -> None:
    with contextlib.suppress(OSError):
        target.unlink()
        for folder in new:
            folder.rmdir()


def _copy(file: Path | bytes, target: Path) -> None:
    try:
        copied(file, target)
    except (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError) as error:
        raise ServerError(0, "", f"cannot write {target}: {error.strerror}") from None
    except OSError as error:
        raise TransportError(f"cannot write {target} now: {error.strerror or error}") from None
