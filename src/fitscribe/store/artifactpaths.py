"""Paths of artifacts: what a client sends, made into a file below a root, or refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from fitscribe.store.refusal import Refusal, invalid

__all__ = ["decoded", "inside", "segments"]

DRIVE = re.compile(r"[A-Za-z]:")
RESERVED = re.compile(r'[<>:"|?*]|[ .]$|^(?:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9])(?:\.|$)', re.IGNORECASE)
DEEPEST = 4  # how often a path may have been percent-encoded before it is refused unread


def decoded(path: str) -> str:
    """Return a path that came in a URL, decoded once."""
    return unquote(path, errors="surrogateescape")


def segments(path: str) -> list[str]:
    """Return the segments of a relative path; none for an empty one.

    `Refusal`: it leads out of where it begins, or would if something on the way had decoded it again.
    """
    again = path
    for _ in range(DEEPEST):
        again = unquote(again, errors="surrogateescape")
        if again:
            _split(again)
    return _split(path) if path else []


def inside(root: Path, parts: list[str]) -> Path:
    """Return the file or folder at `parts` below `root`. `Refusal`: a link on the way leads out of it."""
    target = root.joinpath(*parts)
    try:
        real, home = os.path.realpath(target), os.path.realpath(root)
    except (OSError, ValueError):
        raise _refusal("/".join(parts)) from None
    if real != home and not real.startswith(home.rstrip(os.sep) + os.sep):
        raise _refusal("/".join(parts))
    return target


def _split(path: str) -> list[str]:
    parts = path.removesuffix("/").split("/")
    if not all(_good(part) for part in parts):
        raise _refusal(path)
    return parts


def _good(part: str) -> bool:
    if part in ("", ".", "..") or "\\" in part or DRIVE.match(part) or any(ord(sign) < 32 for sign in part):
        return False
    return (
        len(os.fsencode(part)) < 256 if _encodable(part) and not (os.name == "nt" and RESERVED.search(part)) else False
    )


def _encodable(part: str) -> bool:
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refusal(path: str) -> Refusal:
    return invalid(
        f"Invalid path: {ascii(path)[:200]}. Write a path relative to the run's artifacts, with forward slashes and "
        "without '..', drive letters or control characters"
    )
