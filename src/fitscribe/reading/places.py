"""Places: which paths a user may ask for and a server may name, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fitscribe.errors import MisuseError, ServerError

__all__ = ["into", "made", "partial", "parts", "safe"]

FORBIDDEN = ("", ".", "..")


def parts(path: str) -> tuple[str, ...]:
    """Return the names of a path that a user gave. `MisuseError`: it would leave the run's folder."""
    names = tuple(name for name in str(path).split("/") if name not in ("", "."))
    if str(path).startswith("/") or not all(_is_name(name) for name in names):
        raise MisuseError(f"the artifact path {path!r} must stay in the run's folder; write it like 'folder/file.txt'")
    return names


def safe(path: str) -> str:
    """Return the name of a listed file. `ServerError`: a name that would leave the folder it is written to."""
    name = path.rstrip("/")
    if not _is_name(name):
        raise ServerError(200, "", f"the server lists an artifact named {path!r}, which is no name of a file")
    return name


def _is_name(name: str) -> bool:
    odd = "/\\\0:" if os.name == "nt" else "/\0"
    return name not in FORBIDDEN and not any(character in name for character in odd)


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
