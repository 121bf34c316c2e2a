"""Contents of a model's files: their digests, and a copy that nobody else can change."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from fitscribe.errors import MisuseError
from fitscribe.models.inside import opened

__all__ = ["copied", "digest_of", "original", "ours_alone"]

BLOCK = 1 << 20


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file in hex. `OSError`: it cannot be read; `MisuseError`: it is no regular file."""
    with open(opened(file), "rb") as stream:
        return _read(stream, None)


_originals: dict[Path, Path] = {}
_made: dict[object, tuple[Path, dict[str, str]]] = {}


def original(folder: Path) -> Path:
    """Return the folder that a folder is the copy of, as a person knows it; itself where it is none."""
    return _originals.get(folder, folder)


def copied(
    source: Path, there: Mapping[str, Path], counted: Iterable[str], about: Iterable[str]
) -> tuple[Path, dict[str, str]]:
    """Copy a model into a folder that is ours alone; return it, and the digests of the files that are `counted`.

    Each is read once: what was digested is what lies there. The folder goes when this process ends; until then a model
    that did not change is not copied again. `MisuseError`: it cannot be copied.
    """
    counted, about = list(counted), list(about)
    state = tuple((name, _state(there[name])) for name in sorted({*counted, *about}))
    key = (source, tuple(counted), state)
    if key in _made and all((_made[key][0] / name).is_file() for name in (*counted, *about)):  # /tmp is swept at times
        return _made[key]
    folder = Path(tempfile.mkdtemp(prefix="fitscribe-model-")).resolve()
    atexit.register(_removed, folder, os.getpid())
    try:
        digests = {name: _copy(there[name], folder / name) for name in counted}
        for name in about:
            _copy(there[name], folder / name)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MisuseError(
            f"what lies in {str(original(source))!r} may change while it is looked at (others write there, or there is "
            f"compiled code), and it cannot be copied: {error}; load it with trust=True, or from a folder of yours"
        ) from None
    _originals[folder] = original(source)
    _made[key] = folder, digests
    return _made[key]


def _state(file: Path) -> tuple[int, ...]:
    about = file.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def ours_alone(folder: Path, files: Iterable[Path]) -> bool:
    """Whether nobody but this user and the administrator can change these files, or put others in their places."""
    home = folder.resolve()
    if os.name == "nt":  # permissions are lists there; what lies below the user's profile is the user's
        return home.is_relative_to(Path(os.path.expanduser("~")).resolve())
    within = {file.resolve() for file in files}
    folders = {home, *(above for file in within for above in file.parents if above.is_relative_to(home))}
    return all(_guarded(one, False) for one in within | folders) and all(_guarded(one, True) for one in home.parents)


def _guarded(path: Path, above: bool) -> bool:
    about = path.stat()
    if about.st_uid not in (os.geteuid(), 0):
        return False
    # in a folder like /tmp others make files of their own, but do not touch ours
    return not about.st_mode & 0o022 or (above and bool(about.st_mode & stat.S_ISVTX))


def _copy(file: Path, target: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(opened(file), "rb") as stream, target.open("xb") as out:
        return _read(stream, out)


def _read(stream: IO[bytes], out: IO[bytes] | None) -> str:
    digest, left = hashlib.sha256(), os.fstat(stream.fileno()).st_size
    while left >= 0 and (block := stream.read(BLOCK)):  # one that grows while it is read has no end
        digest.update(block)
        left -= len(block)
        if out is not None:
            out.write(block)
    return digest.hexdigest()


def _removed(folder: Path, process: int) -> None:
    if process == os.getpid():  # a fork has inherited the duty, and not the folder
        shutil.rmtree(folder, ignore_errors=True)
