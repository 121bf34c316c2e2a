"""The segments of one process, oldest first: written at the end, read and deleted at the front."""

from __future__ import annotations

import os
import re
import uuid
from collections import deque
from collections.abc import Callable
from pathlib import Path

from fitscribe.dialects.parcels import Address
from fitscribe.guard import log, warn_once
from fitscribe.journal.segment import Segment

__all__ = ["LIMIT", "Segments", "fallback"]

LIMIT = 32 << 20  # bytes, after which the next segment begins, so that disk space comes back in a long process


def fallback() -> Path:
    """Return the folder that takes the journal when the right one cannot be written."""
    import tempfile

    user = re.sub(r"\W", "_", os.environ.get("USER") or os.environ.get("USERNAME") or "user")
    return Path(tempfile.gettempdir()) / f"fitscribe-{user}" / "journal"


class Segments:
    """`append` is called under its caller's lock; `front` and `advance` by the shipper's thread alone."""

    def __init__(self, folder: Path, opened: Callable[[Segment], None]) -> None:
        """Make no file yet; `opened` is told of each segment before anything is written to it."""
        self.folder, self.home = folder, folder
        self.stem = f"{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.count = 0  # records written so far
        self.bytes = 0  # of them
        self.lost = 0  # records that no disk took
        self._opened = opened
        self._queue: deque[Segment] = deque()
        self._number = 0

    def append(self, framed: bytes) -> None:
        """Write a frame; never raises. What no folder takes is counted in `lost`, with one warning."""
        if not self._queue or self._queue[-1].written > LIMIT:
            self._next()
        try:
            self._queue[-1].append(framed)
        except (OSError, IndexError) as error:
            self._elsewhere(framed, error)
        else:
            self.count += 1
            self.bytes += len(framed)

    def front(self) -> Segment | None:
        """Return the segment to read from."""
        return self._queue[0] if self._queue else None

    def advance(self) -> None:
        """Delete segments that are delivered and not written any more."""
        while len(self._queue) > 1 and self._queue[0].acked >= self._queue[0].written:
            self._queue.popleft().remove()

    def note(self, address: Address) -> None:
        """Write down where a run is, in every segment that may speak of it."""
        for segment in list(self._queue):
            segment.note(address)

    def close(self) -> list[Path]:
        """Close all segments; those that are delivered are deleted, the others returned."""
        left = []
        while self._queue:
            segment = self._queue.popleft()
            if segment.acked < segment.written:
                segment.close()
                left.append(segment.path)
            else:
                segment.remove()
        return left

    def abandon(self) -> None:
        """Close a parent's files in its forked child, which must neither write nor delete them."""
        while self._queue:
            self._queue.popleft().close()

    def _next(self) -> None:
        self._number += 1
        try:
            _unversioned(self.folder)
            segment = Segment(self.folder / f"{self.stem}-{self._number:04d}.journal")
        except OSError as error:
            if not self._queue:
                self._move(error)
            return
        self._opened(segment)
        self._queue.append(segment)

    def _move(self, error: OSError) -> None:
        """Go on in the folder for temporary files."""
        if self.folder == fallback():
            return
        self.folder = fallback()
        warn_once(
            "%s cannot be written (%s); what is recorded waits in %s until it is delivered",
            *(self.home, error.strerror or error, self.folder),
        )
        self._next()

    def _elsewhere(self, framed: bytes, error: Exception) -> None:
        if isinstance(error, OSError) and self.folder != fallback():
            before = len(self._queue)
            self._move(error)
            if len(self._queue) > before:
                return self.append(framed)
        self.lost += 1
        if self.lost == 1:
            log().warning("no folder can be written (%s); what is recorded now is lost", error)
        return None


def _unversioned(folder: Path) -> None:
    """Keep the journal out of the user's repository."""
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / ".gitignore"
    if not mark.exists():
        mark.write_text("*\n", encoding="ascii")


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", _node())[:40].strip("-") or "host"


def _node() -> str:
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
