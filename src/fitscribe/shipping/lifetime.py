"""A lifetime: the journal of one process from its first record on, and the thread that delivers it."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter_ns

from fitscribe import overhead, pace, source
from fitscribe.config import settings
from fitscribe.dialects import Address, AddressBook, Dialect
from fitscribe.dialects.parcels import addressed
from fitscribe.guard import guarded, log
from fitscribe.journal.allowance import Allowance
from fitscribe.journal.memory import Memory
from fitscribe.journal.payloads import payload, understood
from fitscribe.journal.segment import Segment, frame, frames
from fitscribe.journal.segments import Segments
from fitscribe.journal.spool import Spool
from fitscribe.journal.upkeep import tend
from fitscribe.records import (
    Artifact,
    Metrics,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    Source,
    Tags,
    encode,
    now,
)
from fitscribe.shipping.delivery import Delivery
from fitscribe.shipping.pulse import Pulse
from fitscribe.shipping.sorting import sorted_out
from fitscribe.undivided import undivided

__all__ = ["Lifetime"]

WINDOW = 4 << 20  # bytes read at a time
RECORDS = 20_000  # records in a window
STAND_BACK = 1.0  # seconds that sending waits while the user trains
OVERHEAD = "fitscribe.overhead_ms"
TEND = 5.0  # seconds between looks at the files
TICK = 0.05  # seconds between looks at the clock while waiting for the endpoint


class Lifetime:
    """Everything of a `Shipper` that a fork, or closing, makes void."""

    def __init__(
        self, folder: Path, dialect_for: Callable[[str], Dialect], book: AddressBook, origin: dict[str, str] | None
    ) -> None:
        """Make no file and no thread yet; `origin` are the tags of the repository, where they are known."""
        self.pid = os.getpid()
        self.book = book
        self.book.learned = self._note
        self.segments = Segments(folder, self._opened)
        self.spool = Spool(folder, self.segments.stem)
        self.allowance = Allowance(folder, self.segments, settings().journal_limit, settings().thin_metrics)
        self.delivery = Delivery(dialect_for, folder)
        self.origin = origin
        self.begun: Callable[[], None] = lambda: None  # what the thread does before it delivers
        self.settled = 0  # records that are delivered or set aside
        self.lock = threading.RLock()  # a signal handler, or __del__, may emit while we write
        self._alive = 0.0  # monotonic seconds of the thread's own last sign of life
        self._pulse = Pulse()
        self._thread: threading.Thread | None = None
        self._directory = Path()
        self._tended = 0.0  # monotonic seconds when the files were last looked after
        self._spent: dict[str, float] = {}  # milliseconds of overhead when a run began

    def emit(self, record: Record) -> None:
        """Write a record to the journal; it survives the process from here on."""
        began, count = perf_counter_ns(), overhead.here()
        before = count[0]
        kind = type(record)
        if kind is RunStarted or kind is RunResumed:
            self._introduce(record)  # type: ignore[arg-type]
        elif kind is RunEnded:
            self._account(record)  # type: ignore[arg-type]
        if kind is not Metrics or self.allowance.level or self.segments.pressure:
            self._admit(record)
        elif content := payload(record):
            with self.lock:
                self.segments.append(frame(content))
        if self._pulse.asleep:
            self._pulse.wake()
        elif self._thread is None:
            self._start()
        count[0] = before + perf_counter_ns() - began

    def _admit(self, record: Record) -> None:
        with self.lock:
            for each in self.allowance.admit(record):
                if content := payload(each):
                    self.segments.append(frame(content))

    def _introduce(self, record: RunStarted | RunResumed) -> None:
        self.book.add(addressed(record))
        if isinstance(record, RunStarted) and not record.parent:
            self._spent[record.run] = overhead.spent()

    def _account(self, record: RunEnded) -> None:
        """Tell of the time that the user's threads lost to us while a run of theirs was open."""
        if (before := self._spent.pop(record.run, None)) is not None:
            spent = f"{overhead.spent() - before:.3f}"
            with self.lock:
                self.segments.append(frame(encode(Tags(record.run, record.at, {OVERHEAD: spent}))))

    def _note(self, address: Address) -> None:
        with self.lock:
            self.segments.note(address)

    def _opened(self, segment: Segment | Memory) -> None:
        """Let each segment be understood without those before it, and the user be told where records wait."""
        self.delivery.folder = segment.path.parent
        for address in self.book.open():
            segment.note(address)
        if self.origin:
            with contextlib.suppress(OSError):
                segment.append(frame(encode(Source(now(), self.origin))))
        self.allowance.weigh()

    def _start(self) -> None:
        with self.lock:
            if self._thread is not None or sys.is_finalizing():  # one that starts so late never says that it did
                return
            with guarded("finding the script's folder"):  # the working directory may have been deleted
                self._directory = source.directory()
            thread = threading.Thread(target=self._work, name="fitscribe", daemon=True)
            with contextlib.suppress(RuntimeError):  # at the interpreter's end none may start
                thread.start()
                self._thread = thread

    # the caller's side of waiting

    def until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until `done()`, with delivery in a hurry; False when time ran out or the endpoint is silent."""
        began = time.monotonic()
        patience = settings().exit_patience
        with self._pulse.hurrying(), pace.hurry(), self.book.changed:
            while not done():
                here = time.monotonic()
                heard = max(began, self._alive, self.delivery.moved)
                if here - began >= seconds or here - heard > patience:
                    return False
                self.book.changed.wait(min(TICK, max(0.001, began + seconds - here)))
        return True

    def stop(self) -> list[Path]:
        """End the thread, delete what is delivered and return the segments that hold the rest."""
        self._pulse.stop()
        if self._thread is not None:
            with pace.hurry():
                self._thread.join(0.5)  # it may hang in a request; it is a daemon
        with self.lock:
            left = self.segments.close()
            self.allowance.farewell()
        if not left:
            self.spool.clear()
        return left

    # the thread's side

    def _work(self) -> None:
        with undivided:
            import logging  # noqa: F401, RUF100  so that the first thing to say imports nothing
        with guarded("reading the git repository"):
            self._say_origin()
        with guarded("looking after the journal"):
            self.allowance.look()
        self.begun()
        while not self._pulse.stopped:
            fine = False
            with guarded("delivering records"):
                fine = self._turn()
            if not fine:
                self._pulse.pause(1.0, True)
        self.delivery.close()

    def _say_origin(self) -> None:
        self._alive = time.monotonic()
        if self.origin is None:
            self.origin = source.repository(self._directory)
            if self.origin:
                with self.lock:
                    self.segments.append(frame(encode(Source(now(), self.origin))))
        self._alive = time.monotonic()

    def _turn(self) -> bool:
        """Rest until there is something, then deliver one window of it."""
        segment = self.segments.front() if self._pulse.rest(self._unread, self._full, self._said) else None
        if segment is None:
            return True
        if not self._full():
            pace.stand_back(time.monotonic() + STAND_BACK)
            self._alive = time.monotonic()
        start = segment.acked
        found = list(islice(frames(segment.window(WINDOW), damaged=partial(_damaged, segment, start)), RECORDS))
        if not found:
            return self._skip(segment)
        records = understood(content for content, _ in found)
        folders = [self.segments.folder, self.segments.home]
        parcels = sorted_out(records, self.book, folders, self.origin or {})
        if not self.delivery.deliver(parcels, self._pause):
            return True
        self._note_ends(records)
        if self._settle(segment, start + found[-1][1], len(found)):
            self._clean(records)
        self._tend()
        return True

    def _pause(self, seconds: float, asked: bool) -> bool:
        """Wait between attempts, with an eye on the files; False: stop."""
        until = time.monotonic() + seconds
        while True:
            self._tend()
            left = until - time.monotonic()
            if not self._pulse.pause(max(0.0, min(left, TEND)), asked):
                return False
            if left <= TEND or (self._pulse.hurried and not asked):
                return True

    def _tend(self) -> None:
        """Look after the files now and then."""
        if time.monotonic() < self._tended + TEND:
            return
        with guarded("looking after the journal"):
            tend(self.segments, self.lock)
            self.allowance.look()
        self._tended = time.monotonic()

    def _settle(self, segment: Segment | Memory, offset: int, count: int) -> bool:
        """Note that records are delivered; False when it is too late for that, and they will be sent once more."""
        if self._pulse.stopped:
            return False  # its files are closed: they go to another process as they are
        while segment.heir is not None:  # it was copied while its records were on their way
            segment = segment.heir
        segment.acknowledge(offset)
        with self.lock:
            segment.settled = segment.records if offset >= segment.written else segment.settled + count
            settled = segment.base + segment.settled
            self.segments.advance()
        self._alive = time.monotonic()
        with self.book.changed:
            self.settled = settled
            self.book.changed.notify_all()
        return True

    def _clean(self, records: list[Record]) -> None:
        """Remove what the journal need not keep: snapshots, after the record of their delivery is on disk."""
        for record in records:
            if isinstance(record, Artifact):
                for folder in {self.segments.folder, self.segments.home}:
                    with contextlib.suppress(OSError):
                        (folder / record.file).unlink()

    def _note_ends(self, records: list[Record]) -> None:
        """Write down which runs are over: a later segment knows of them as open, and may be all that is left."""
        for record in records:
            if isinstance(record, RunEnded) and (address := self.book.get(record.run)):
                address.ended = True
                self._note(address)

    def _skip(self, segment: Segment | Memory) -> bool:
        """Go on behind a place that cannot be read, which takes a broken disk or another program."""
        if segment.acked >= segment.written:
            return True
        start, rest = segment.acked, segment.window(segment.written)
        payload, end = next(frames(rest), (b"", len(rest)))
        good = end - len(frame(payload)) if payload else end
        _damaged(segment, start, 0, good)
        self._settle(segment, start + good, 0)
        return True

    def _unread(self) -> bool:
        segment = self.segments.front()
        return segment is not None and segment.acked < segment.written

    def _said(self) -> int:
        return self.segments.count

    def _full(self) -> bool:
        segment = self.segments.front()
        return segment is not None and segment.written - segment.acked >= WINDOW


def _damaged(segment: Segment | Memory, start: int, offset: int, size: int) -> None:
    log().warning("%s is damaged at byte %d: %d bytes are left out", segment.path, start + offset, size)
