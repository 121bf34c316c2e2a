"""Bodies of requests: JSON, bytes, or a file that is read as it goes; and how long a server may be at work on one."""

from __future__ import annotations

import contextlib
import mimetypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

import msgspec

__all__ = ["content_type", "payload", "query", "work"]

BEHIND = 300.0  # seconds that a server may take to fetch a file from its store before it sends any of it
SLOWEST = 2e6  # bytes per second that a server puts into its store at least, when it has taken all of a file


class _Upload:
    """A file that says, with each block read, that the upload moves; its length spares us chunked encoding."""

    def __init__(self, file: BinaryIO, moving: Any) -> None:
        self.file, self.moving, self.size = file, moving, os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.file)

    def read(self, size: int = -1) -> bytes:
        self.moving()
        return self.file.read(size)


@contextlib.contextmanager
def payload(body: object, moving: Any) -> Iterator[Any]:
    """Give what `requests` takes as a body; `moving` is called for each block of a file."""
    if isinstance(body, Path):
        with body.open("rb") as file:
            upload = _Upload(file, moving)
            yield upload if upload.size else b""
    else:
        yield msgspec.json.encode(body) if isinstance(body, dict) else body


def work(body: object, stream: bool) -> float:
    """Return the seconds that a server with a store behind it may need between the last byte in and the first out."""
    if stream:
        return BEHIND
    return body.stat().st_size / SLOWEST if isinstance(body, Path) else 0.0


def content_type(path: str, body: object) -> dict[str, str]:
    """Return the header that says what a body is, by the ending of the path where it is no dict."""
    if body is None:
        return {}
    kind = "application/json"
    if not isinstance(body, dict):
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"Content-Type": kind}


def query(values: dict[str, Any]) -> str:
    """Return values as the query of a URL."""
    words = {True: "true", False: "false"}
    given = {k: words[v] if isinstance(v, bool) else v for k, v in values.items() if v is not None}
    return urlencode(given, doseq=True)
