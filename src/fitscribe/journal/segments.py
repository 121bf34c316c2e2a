"""The segments of one process, oldest first: written at the end, read and deleted at the front."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

from fitscribe.dialects.parcels import Address
from fitscribe.guard import warn_once
from fitscribe.journal import locks
from fitscribe.journal.memory import MOST, Memory
from fitscribe.journal.places import fallback, prepare
from fitscribe.journal.segment import LIMIT, Segment
from fitscribe.journal.upkeep import copied

__all__ = ["LIMIT", "Segments", "fallback"]

RETURN = 5.0  # seconds until the home folder is tried again; doubled each time that it fails
LONGEST = 60.0
CALM = 300.0  # seconds after which an earlier failure is forgotten
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


class Segments:
    """Where records go: the home folder; when that takes none, the folder for temporary files; then memory.

    `append` is called under its caller's lock; the rest by the shipper's thread alone.
    """

    def __init__(self, folder: Path, opened: Callable[[Segment | Memory], None]) -> None:
        """Make no file yet; `opened` is told of each segment before anything is written to it."""
        self.folder, self.home = folder, folder
        self.stem = f"{locks.host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.lost = 0  # records that nothing took
        self.pressure = 0  # how scarce memory is that holds records, from 0 upwards
        self.most = LIMIT  # bytes of one segment
        self.opened = opened
        self.queue: deque[Segment | Memory] = deque()
        self._number = 0
        self._before = (0, 0)  # records and bytes of segments that were all closed
        self.again = 0.0  # monotonic seconds when to try the home folder once more; 0: it is in use
        self._wait = RETURN
        self._left_home = 0.0

    @property
    def count(self) -> int:
        """How many records were written so far."""
        with contextlib.suppress(IndexError):  # another thread may close them meanwhile
            return self.queue[-1].base + self.queue[-1].records
        return self._before[0]

    @property
    def volume(self) -> int:
        """How many bytes they have."""
        with contextlib.suppress(IndexError):
            return self.queue[-1].below + self.queue[-1].written
        return self._before[1]

    def append(self, framed: bytes) -> None:
        """Write a frame; never raises `OSError`. What nothing takes is counted in `lost`."""
        queue = self.queue
        if not queue or queue[-1].written > queue[-1].limit or (self.again and time.monotonic() >= self.again):
            self._roll_over(framed)
            return
        try:
            queue[-1].append(framed)
        except OSError as error:
            self._elsewhere(framed, error)

    def front(self) -> Segment | Memory | None:
        """Return the segment to read from: the first that is not delivered, or the one that is written."""
        queue = list(self.queue)
        return next((each for each in queue if each.acked < each.written), queue[-1] if queue else None)

    def advance(self) -> None:
        """Delete segments that are delivered and not written any more."""
        while len(self.queue) > 1 and self.queue[0].acked >= self.queue[0].written:
            self.queue.popleft().remove()

    def note(self, address: Address) -> None:
        """Write down where a run is, in every segment that may speak of it."""
        for segment in list(self.queue):
            segment.note(address)

    def close(self) -> list[Path]:
        """Close all segments; those that are delivered are deleted, the paths of the others returned.

        What was in memory, and no disk takes even now, is counted in `lost`.
        """
        left = []
        self._before = (self.count, self.volume)
        while self.queue:
            segment = self.queue.popleft()
            kept: Segment | Memory | None = segment
            if segment.acked < segment.written and not segment.durable:
                kept = copied(self, segment)
                segment.close(unlock=False)
            if kept is None:
                self.lost += segment.records - segment.settled
            elif kept.acked < kept.written:
                with contextlib.suppress(OSError):
                    kept.sync()
                kept.close()
                left.append(kept.path)
            else:
                kept.remove()
        return left

    def abandon(self) -> None:
        """Close a parent's files in its forked child, which must neither write nor delete them."""
        while self.queue:
            self.queue.popleft().close()

    def try_again_later(self) -> None:
        """Let some time pass before the home folder is tried once more, the more the oftener it failed."""
        self._wait = min(LONGEST, 2 * self._wait)
        self.again = time.monotonic() + self._wait

    # where the next segment lies

    def _roll_over(self, framed: bytes) -> None:
        """Begin the next segment in the best place that takes one; the present one goes on where none is needed."""
        tail = self.queue[-1] if self.queue else None
        due = tail is None or tail.written > tail.limit
        first: OSError | None = None
        self.again = 0.0
        for place in self.folders():
            if tail is not None and not due and place == self._place(tail):
                break
            try:
                self.begin(place, framed)
            except OSError as error:
                first = first or error
                continue
            if place != self.home:
                self._leave_home(first, f"in {place}")
            return
        if tail is None or tail.limit < 0:
            self._remember(framed, first)
        else:
            self._go_on(tail, framed, due)

    def _go_on(self, tail: Segment | Memory, framed: bytes, due: bool) -> None:
        if due:  # too many open files, perhaps
            tail.limit = tail.written + self.most / 4
        if self._place(tail) != self.home:
            self.try_again_later()
        try:
            tail.append(framed)
        except OSError as error:
            self._elsewhere(framed, error)

    def _elsewhere(self, framed: bytes, error: OSError) -> None:
        """Go on in the best place that is left."""
        tail = self.queue[-1]
        if isinstance(tail, Memory):
            self.lost += 1  # folders are tried again when it is time
            return
        for place in self.folders():
            if place == self._place(tail) and error.errno in FULL:
                continue  # it might take a last few bytes, and then a few more in yet another file
            with contextlib.suppress(OSError):
                self.begin(place, framed)
                if place != self.home:
                    self._leave_home(error, f"in {place}")
                return
        self._remember(framed, error)

    def _place(self, segment: Segment | Memory) -> Path | None:
        return segment.path.parent if isinstance(segment, Segment) else None

    def folders(self) -> Iterator[Path]:
        """Yield the folders that may take a segment, the best first."""
        yield self.home
        with contextlib.suppress(OSError):
            yield fallback()

    def begin(self, folder: Path, framed: bytes) -> None:
        """Open a segment in a folder, with a frame as its first. `OSError`: the folder does not take it."""
        self._number += 1
        prepare(folder, home=folder == self.home)
        path = folder / f"{self.stem}-{self._number:04d}.journal"
        segment = Segment(path, None if folder == self.home else self.home, self.count)
        try:
            segment.limit, segment.below = self.most, self.volume
            self.opened(segment)
            if framed:
                segment.append(framed)
        except BaseException:  # a signal's, perhaps
            segment.remove()
            raise
        self.folder, self.pressure = folder, 0
        self.queue.append(segment)

    def _remember(self, framed: bytes, error: OSError | None) -> None:
        """Go on in memory."""
        self._number += 1
        room = MOST - sum(len(each) for each in list(self.queue) if isinstance(each, Memory))
        path = self.home / f"{self.stem}-{self._number:04d}.journal"
        memory = Memory(path, self.count, room, self._pressed)
        memory.below = self.volume
        self.opened(memory)
        self.queue.append(memory)
        self._leave_home(error, "in memory alone")
        try:
            memory.append(framed)
        except OSError:
            self.lost += 1

    def _pressed(self, pressure: int) -> None:
        self.pressure = pressure

    def _leave_home(self, error: OSError | None, where: str) -> None:
        if time.monotonic() - self._left_home > CALM:
            self._wait = RETURN / 2
        self._left_home = time.monotonic()
        self.try_again_later()
        warn_once(
            "%s cannot be written (%s); what is recorded waits %s until it is delivered",
            *(self.home, (error and error.strerror) or error, where),
        )
