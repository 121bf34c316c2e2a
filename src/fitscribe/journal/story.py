"""A story: what the journal of one process tells as a whole, and what those of others say of the same runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fitscribe.dialects.parcels import Address, AddressBook
from fitscribe.journal.payloads import understood
from fitscribe.journal.remains import Left, content_of, journals
from fitscribe.journal.segment import MAGIC, acknowledged, addresses, frames
from fitscribe.records import ModelBegun, ModelLogged, Record, RunEnded, RunResumed, RunStarted, Source

__all__ = ["Others", "Story"]

BEGINNINGS = (b"\xa3run", b"\xa7resumed")  # of the value after the key `type`, in MessagePack
HEAD = 6  # bytes before it


class Story:
    """One process: its repository, its runs, which of them ended, and when it spoke of them last."""

    def __init__(self, paths: list[Path]) -> None:
        """Read all segments, delivered or not. `OSError`, `ValueError`: one cannot be read."""
        self.origin: dict[str, str] = {}
        self.started: dict[str, RunStarted] = {}
        self.resumed: dict[str, RunResumed] = {}
        self.known: dict[str, Address] = {address.run: address for path in paths for address in addresses(path)}
        self.unfinished: dict[str, ModelBegun] = {}  # models that began and were never all there
        self.last: dict[str, int] = {}  # times in milliseconds; of the whole process under ""
        own = [each.run for each in self.known.values() if not (each.ended or each.guest or each.foreign)]
        self._turns = [(run, True) for run in own]
        for path in paths:
            for payload, _ in frames(content_of(path), len(MAGIC)):
                for record in understood([payload]):
                    self._hear(record)

    def _hear(self, record: Record) -> None:
        if isinstance(record, Source):
            self.origin = record.tags
            return
        run = getattr(record, "run", "")
        if isinstance(record, RunStarted):
            self.started[run] = record
        elif isinstance(record, RunResumed):
            self.resumed[run] = record
        elif isinstance(record, ModelBegun):
            self.unfinished[record.model] = record
        elif isinstance(record, ModelLogged):
            self.unfinished.pop(record.model, None)
        if isinstance(record, RunStarted | RunResumed | RunEnded):
            self._turns.append((run, not isinstance(record, RunEnded)))
        for each in (run, ""):
            self.last[each] = max(self.last.get(each, 0), record.at)

    def left_open(self, book: AddressBook) -> list[str]:
        """Return the runs that this process began and did not end; one that was resumed has one id of several."""
        state: dict[str, tuple[str, bool]] = {}
        for run, is_open in self._turns:
            state[book.owner(run)] = run, is_open
        return [run for run, is_open in state.values() if is_open]

    def name(self, run: str) -> str:
        """Return what a person calls a run."""
        started = self.started.get(run)
        return f"{started.name} ({run[:8]})" if started and started.name else run


class Others:
    """What the other journals of a folder say of runs."""

    def __init__(self, left: Left, everything: bool = False) -> None:
        """Read them. With `everything`, what they have delivered counts as well."""
        self.waiting: dict[str, str] = {}  # runs whose beginning is not delivered, and in which journal it lies
        self._entered: dict[str, int] = {}  # when a run was begun or gone on with, by our id and by theirs
        self._at_work: set[str] = set()
        for other in journals(left.home):
            if other.stem != left.stem:
                for path in other.paths:
                    self._read(other, path, everything)

    def _read(self, other: Left, path: Path, everything: bool) -> None:
        for record, end in _beginnings(path):
            for run in {record.run, getattr(record, "theirs", record.run)}:
                self._entered[run] = max(self._entered.get(run, 0), record.at)
                if other.at_work:
                    self._at_work.add(run)
            if isinstance(record, RunStarted) and (everything or end > acknowledged(path)):
                self.waiting[record.run] = other.stem

    def go_on(self, run: str, theirs: str, since: int) -> bool:
        """True when another process goes on with a run: one that lives, or one that entered it later."""
        names = {run, theirs} - {""}
        return bool(names & self._at_work) or any(self._entered.get(each, 0) > since for each in names)


def _beginnings(path: Path) -> Iterator[tuple[RunStarted | RunResumed, int]]:
    try:
        content = content_of(path)
    except (OSError, ValueError):  # gone meanwhile, or not for us to read
        return
    for payload, end in frames(content, len(MAGIC)):
        if payload.startswith(BEGINNINGS, HEAD):
            for record in understood([payload]):
                if isinstance(record, RunStarted | RunResumed):
                    yield record, end
