"""Places: which paths a user may ask for and a server may name, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fitscribe.errors import MisuseError, ServerError

__all__ = ["into", "made", "partial", "parts", "safe"]

FORBIDDEN = ("", ".", "..")
LONGEST = 255  # bytes of a name; no file system takes more
RESERVED = re.compile(
    r'[\x00-\x1f<>:"|?*\\]|[ .]$|^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?: *\.|$)', re.IGNORECASE
)


def parts(path: str) -> tuple[str, ...]:
    """Return the names of a path that a user gave. `MisuseError`: it would leave the run's folder."""
    names = tuple(name for name in str(path).split("/") if name not in ("", "."))
    if str(path).startswith("/") or not all(_is_name(name) for name in names):
        raise MisuseError(f"the artifact path {path!r} must stay in the run's folder; write it like 'folder/file.txt'")
    return names


def safe(path: str, *, windows: bool = os.name == "nt") -> str:
    """Return the name of a listed file.

    `ServerError`: a name that would leave the folder it is written to, is that of a device, or that no disk takes.
    """
    name = path.rstrip("/")
    if not _is_name(name, windows) or not _fits(name):
        raise ServerError(200, "", f"the server lists an artifact named {path!r:.300}, which is no name of a file")
    return name


def _is_name(name: str, windows: bool = os.name == "nt") -> bool:
    if windows and RESERVED.search(name):
        return False
    return name not in FORBIDDEN and "/" not in name and "\0" not in name


def _fits(name: str) -> bool:
    try:
        return len(name.encode()) <= LONGEST
    except UnicodeEncodeError:  # half of a character
        return False


def into(target: str | os.PathLike[str] | None) -> Path:
    """Return the folder that the caller named, or a new temporary one."""
    return Path(tempfile.mkdtemp(prefix="fitscribe-") if target is None else target)


def made(folder: Path) -> Path:
    """Make a folder with all above it, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def partial(place: Path) -> Iterator[Path]:
    """Give the file to write to, which becomes `place` when all went well."""
    partial = place.with_name(f".{place.name[:200]}.{os.getpid()}.part")
    try:
        yield partial
        os.replace(partial, place)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
