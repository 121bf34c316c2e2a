"""Recovery: what processes that are gone have left in a journal, delivered from its files alone."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from fitscribe.dialects import Address, AddressBook, Dialect, Parcel
from fitscribe.dialects.parcels import addressed
from fitscribe.errors import TransportError
from fitscribe.journal import locks
from fitscribe.journal.delivery import Delivery
from fitscribe.journal.payloads import understood
from fitscribe.journal.segment import MAGIC, acknowledged, addresses, frames
from fitscribe.journal.sorting import sorted_out
from fitscribe.records import Record, RunEnded, RunResumed, RunStarted, Source, Tags, now

__all__ = ["Left", "deliver", "left_behind"]

RECORDS = 5000  # in a window
ENDED = {"fitscribe.end": "process died"}


class Left(NamedTuple):
    """The segments that one process left, oldest first, and how many records in them are not delivered."""

    stem: str
    paths: list[Path]
    pending: int


def left_behind(folder: Path) -> list[Left]:
    """Return what processes that are gone have left in a journal's folder, the oldest first."""
    stems: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.journal"), key=lambda each: (each.stat().st_mtime, each.name)):
        if not locks.held(path.with_suffix(".lock")):
            stems.setdefault(path.stem.rpartition("-")[0], []).append(path)
    return [Left(stem, sorted(paths), sum(map(_pending, paths))) for stem, paths in stems.items()]


def _pending(path: Path) -> int:
    return sum(1 for _ in frames(path.read_bytes(), acknowledged(path)))


def deliver(
    left: Left,
    dialect_for: Callable[[str], Dialect],
    *,
    to: str = "",
    patience: float = 10.0,
    progress: Callable[[int], None] = lambda count: None,
) -> None:
    """Deliver what a process left, and remove its files; to `to` instead of where its runs went, if given.

    Runs that the process did not end end as FAILED, with the tag `fitscribe.end`. It can be repeated at any time
    with the same result. `TransportError`: the endpoint gave no answer for `patience` seconds; what it took is
    remembered. `OSError`: another process is at it.
    """
    lock = left.paths[0].with_suffix(".lock")
    locks.hold(lock)
    try:
        _Recovery(left, dialect_for, to, patience, progress).run()
    finally:
        locks.let_go(lock)


class _Recovery:
    def __init__(
        self, left: Left, dialect_for: Callable[[str], Dialect], to: str, patience: float,
        progress: Callable[[int], None],
    ) -> None:  # fmt: skip
        self.left, self.to, self.patience, self.progress = left, to, patience, progress
        self.folder = left.paths[0].parent
        self.delivery = Delivery(dialect_for, self.folder)
        known = {address.run: address for path in left.paths for address in addresses(path)}
        self.book = AddressBook(self._there(address) for address in known.values())
        self.ended: set[str] = set()
        self.began: set[str] = set()
        self.origin: dict[str, str] = {}
        self.last = 0

    def _there(self, address: Address) -> Address:
        """Where a run is, or is to be; created in doubt, since the answer may not have been written down."""
        if self.to and address.to != self.to:
            return msgspec.structs.replace(address, to=self.to, theirs="", experiment_id="", foreign=False, doubt=True)
        return msgspec.structs.replace(address, foreign=False, doubt=not address.theirs)

    def run(self) -> None:
        try:
            for path in self.left.paths:
                self._look(path)
            for path in self.left.paths:
                self._ship(path)
            self._end()
        finally:
            self.delivery.close()
        for path in self.left.paths:
            for suffix in (".journal", ".ack", ".runs"):
                path.with_suffix(suffix).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder / "spool" / self.left.stem)

    def _look(self, path: Path) -> None:
        """Learn of the whole process before anything is sent: its repository, its runs, which of them ended."""
        for record in self._records(path, len(MAGIC)):
            if isinstance(record, Source):
                self.origin = record.tags
            elif isinstance(record, RunStarted | RunResumed):
                self.began.add(record.run)
                if self.book.get(record.run) is None:
                    self.book.add(self._there(addressed(record)))
            elif isinstance(record, RunEnded):
                self.ended.add(record.run)
            self.last = max(self.last, getattr(record, "at", 0))

    def _records(self, path: Path, start: int) -> Iterator[Record]:
        yield from understood(payload for payload, _ in frames(path.read_bytes(), start))

    def _ship(self, path: Path) -> None:
        # to another endpoint everything goes: what the first one has is not there
        offset = len(MAGIC) if self.to else acknowledged(path)
        content = path.read_bytes()
        while found := list(islice(frames(content, offset), RECORDS)):
            self._send([self._bound(record) for record in understood(payload for payload, _ in found)])
            offset = found[-1][1]
            if not self.to:
                path.with_suffix(".ack").write_bytes(b"%020d\n" % offset)
            self.progress(len(found))

    def _bound(self, record: Record) -> Record:
        return msgspec.structs.replace(record, to=self.to) if self.to and hasattr(record, "to") else record

    def _send(self, records: list[Record]) -> None:
        parcels = sorted_out(records, self.book, [self.folder], self.origin)
        if not self.delivery.deliver(parcels, self._pause()):
            raise TransportError(self.delivery.trouble or "the endpoint gave no answer")

    def _pause(self) -> Callable[[float, bool], bool]:
        deadline = time.monotonic() + self.patience

        def pause(seconds: float, asked: bool) -> bool:
            if time.monotonic() + seconds > deadline:
                return False
            time.sleep(seconds)
            return True

        return pause

    def _end(self) -> None:
        """End what the process left open, at the time of the last that it said."""
        for run in sorted(self.began - self.ended):
            records: list[Record] = [Tags(run, self.last or now(), dict(ENDED)), RunEnded(run, self.last, "FAILED")]
            address = self.book.get(run)
            parcel = Parcel(run, address.to if address else "", records, self.book, [self.folder])
            if not self.delivery.deliver([parcel], self._pause()):
                raise TransportError(self.delivery.trouble or "the endpoint gave no answer")
