"""Upkeep: a file for each segment that has none, and a disk that has written what a power failure would take."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from fitscribe.guard import warn_once
from fitscribe.journal import locks
from fitscribe.journal.memory import Memory
from fitscribe.journal.places import prepare
from fitscribe.journal.segment import Segment

if TYPE_CHECKING:
    from fitscribe.journal.segments import Segments

__all__ = ["copied", "tend"]


def tend(segments: Segments, lock: AbstractContextManager[object]) -> None:
    """Look after the files of segments, every few seconds on the shipper's thread; milliseconds.

    A folder may have been deleted, or memory was all that took records: what is not delivered gets a file again. And
    it is synced, which needs no `fsync` for what an endpoint has. `lock` is the one that `append` is called under.
    """
    for segment in list(segments.queue):
        if not segment.durable:
            _put_back(segments, segment, lock)
            continue
        try:
            segment.sync()
        except OSError as error:
            if segment not in segments.queue:
                return  # closed meanwhile
            segment.limit = -1
            warn_once("%s may not outlive a power failure (%s)", segment.path, error.strerror or error)


def copied(segments: Segments, segment: Segment | Memory) -> Segment | None:
    """Write what is not delivered of a segment to a new file of its name; None when no folder takes it."""
    locks.let_go(segment.path.with_suffix(".lock"))
    for folder in segments.folders():
        with contextlib.suppress(OSError):
            prepare(folder, home=folder == segments.home)
            path = folder / segment.path.name
            copy = Segment(path, None if folder == segments.home else segments.home, segment.base)
            try:
                copy.fill(segment)
                segments.opened(copy)
                copy.records, copy.settled = segment.records, segment.settled
            except OSError:
                copy.remove()
                raise
            return copy
    return None


def _put_back(segments: Segments, segment: Segment | Memory, lock: AbstractContextManager[object]) -> None:
    with lock:
        last = segments.queue[-1] if segments.queue else None
        if last is None or (segment is last and not _at_home_again(segments)):
            return
    if segment.acked >= segment.written or (copy := copied(segments, segment)) is None:
        return
    with lock:
        if segment in segments.queue:
            segments.queue[segments.queue.index(segment)] = segment.heir = copy
            copy.acknowledge(segment.acked)
            segment.close(unlock=False)
        else:
            copy.remove()


def _at_home_again(segments: Segments) -> bool:
    """Begin a segment in the home folder when it is time to try that."""
    if time.monotonic() < segments.again:
        return False
    segments.again = 0.0
    try:
        segments.begin(segments.home, b"")
    except OSError:
        segments.try_again_later()
        return False
    return True
