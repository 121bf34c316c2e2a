"""Checkpoints: files that training left on disk, copied into the run once, or if large recorded by path and hash."""

from __future__ import annotations

import json
import os
import platform
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from fitscribe.config import settings
from fitscribe.errors import MissingFile
from fitscribe.guard import warn_once

if TYPE_CHECKING:
    from fitscribe.run import Run

__all__ = ["REFERENCE", "record"]

REFERENCE = ".reference.json"  # behind the name of a file that is not in the run itself

_recorded: WeakKeyDictionary[Run, dict[str, tuple[int, ...]]] = WeakKeyDictionary()


def record(run: Run, file: str | Path, path: str) -> None:
    """Record a file as the artifact `path`; one that did not change since it was recorded there is left alone.

    One of more than FITSCRIBE_MODEL_LIMIT (bytes, 500 MB unless set, 0 is none) stays where it is: the artifact
    `<path>.reference.json` says where, its size and its SHA-256, which is computed in the background. `MissingFile`:
    there is no such file.
    """
    place = Path(os.path.abspath(file))
    state, known = _state(place), _recorded.setdefault(run, {})
    if known.get(path) == state:
        return
    known[path] = state
    limit = settings().model_limit
    if not limit or state[2] <= limit:
        run.log_file(place, path)
        return
    warn_once(
        "%s has %.0f MB, more than the limit of %.0f MB: the run has its path and hash, not its content; "
        "FITSCRIBE_MODEL_LIMIT=0 copies files of every size",
        path,
        state[2] / 1e6,
        limit / 1e6,
    )
    run.later(partial(_refer, run, place, path, state))


def _state(file: Path) -> tuple[int, ...]:
    try:
        about = file.stat()
    except OSError as error:
        raise MissingFile(f"there is no file {str(file)!r} to log ({error.strerror})") from None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def _refer(run: Run, file: Path, path: str, state: tuple[int, ...]) -> None:
    """Say where a file is; of one that has changed meanwhile there is no hash, for it would be another's."""
    from fitscribe.models.copies import digest_of

    try:
        found = digest_of(file)
        digest = found if _state(file) == state else None
    except OSError:  # the training has deleted it, as it does with all but its best
        digest = None
    content = {"path": str(file), "host": platform.node(), "size": state[2], "modified": state[3] // 1_000_000}
    run.log_text(json.dumps({**content, "sha256": digest}, indent=2), path + REFERENCE)
