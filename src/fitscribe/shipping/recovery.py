"""Recovery: what processes that are gone have left in a journal, delivered from its files alone."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import msgspec

from fitscribe.config import directory_of
from fitscribe.dialects import Address, AddressBook, Parcel
from fitscribe.dialects.parcels import addressed
from fitscribe.guard import inform
from fitscribe.journal import locks
from fitscribe.journal.payloads import understood
from fitscribe.journal.progress import EVERY, Progress
from fitscribe.journal.remains import SUFFIXES, Left, content_of, folders_of
from fitscribe.journal.segment import MAGIC, frames, note
from fitscribe.journal.story import Others, Story
from fitscribe.records import Artifact, ExperimentNamed, ModelLogged, Record, RunEnded, Source, Tags, now
from fitscribe.shipping.courier import Courier, key_of
from fitscribe.shipping.sorting import sorted_out

__all__ = ["Outcome", "Unsent", "deliver", "in_rounds"]

RECORDS = 5000  # in a window
ENDED = {"fitscribe.end": "process died"}


class Unsent(msgspec.Struct, frozen=True):
    """What of a run could not be sent, and why; a journal that cannot be read stands here under its own name."""

    run: str
    records: int
    why: str


class Outcome(msgspec.Struct):
    """What became of a journal; `records` and `bytes` count what was delivered, or refused, this time."""

    runs: set[str] = set()
    records: int = 0
    bytes: int = 0
    unsent: list[Unsent] = []
    waits: bool = False  # for a run that another journal begins


def deliver(
    left: Left,
    courier: Courier,
    *,
    to: str = "",
    ends: bool = True,
    progress: Callable[[int], None] = lambda count: None,
) -> Outcome:
    """Deliver what a process left, and remove its files; to `to` instead of where its runs went, if given.

    Runs that the process did not end end as FAILED, with the tag `fitscribe.end`, unless `ends` is False. A run that
    cannot be sent holds up no other. It can be repeated at any time with the same result. `BlockingIOError`: another
    process is at it. `OSError`: the folder cannot be written.
    """
    lock = left.lock
    locks.hold(lock)
    try:
        left = left.now()
        if any(locks.held(path.with_suffix(".lock")) for path in left.paths):
            raise BlockingIOError(f"{left.stem} is at work")
        return _Recovery(left, courier, to, ends, progress).run() if left.paths else Outcome()
    finally:
        locks.let_go(lock)


def in_rounds(journals: Sequence[Left], send: Callable[[Left], Outcome]) -> None:
    """Send each journal; those that wait for what another one begins once more, as long as others get on."""
    while journals:
        waiting = [each for each in journals if send(each).waits]
        if len(waiting) == len(journals):
            return
        journals = waiting


class _Recovery:
    def __init__(self, left: Left, courier: Courier, to: str, ends: bool, progress: Callable[[int], None]) -> None:
        self.left, self.courier, self.to, self.ends, self.progress = left, courier, to, ends, progress
        self.folders = folders_of(left.home)
        self.outcome = Outcome()
        self.stuck: dict[str, str] = {}
        self.unsent: dict[str, int] = {}
        self.lost: dict[str, int] = {}  # artifacts whose files another endpoint has

    def run(self) -> Outcome:
        try:
            self.story = Story(self.left.paths)
        except (OSError, ValueError) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            self.outcome.unsent = [Unsent(self.left.stem, 0, f"it cannot be read, and stays as it is: {why}")]
            return self.outcome
        self.book = AddressBook(map(self._there, self._addresses()))
        self.book.learned = self._learned
        self.marks = {path: Progress(path) for path in self.left.paths}
        self._wait_for_others()
        for marks in self.marks.values():  # one at a time in memory
            self._ship(marks, content_of(marks.path))
        if self.ends:
            self._fail_models()
            self._end()
        self._conclude()
        return self.outcome

    @cached_property
    def others(self) -> Others:
        return Others(self.left, everything=bool(self.to))

    def _addresses(self) -> list[Address]:
        started = {each.run: addressed(each) for each in self.story.started.values()}
        resumed = {each.run: addressed(each) for each in self.story.resumed.values()}
        return list((started | resumed | self.story.known).values())

    def _learned(self, address: Address) -> None:
        """Write down where a run is: of two that one request made, the next recovery is to find the same."""
        if self.to:
            return
        told = next((each for each in self._addresses() if each.run == address.run), address)
        with contextlib.suppress(OSError):
            note(self.left.paths[-1], msgspec.structs.replace(told, theirs=address.theirs))

    def _there(self, address: Address) -> Address:
        """Where a run is, or is to be; created in doubt, since the answer may not have been written down."""
        if self.to and address.to != self.to:
            theirs = address.run if directory_of(self.to) else ""  # an embedded store takes our ids
            strange = address.run not in self.story.started
            return Address(
                address.run, self.to, theirs, address.experiment, foreign=strange, doubt=True, resumed=address.resumed
            )
        return msgspec.structs.replace(address, foreign=False, doubt=not address.theirs)

    def _wait_for_others(self) -> None:
        """Leave alone what speaks of runs that another journal begins, and that are not there yet."""
        if any(self._strange(address) for address in self.book.all()) or self._parents():
            for run, stem in self.others.waiting.items():
                if run not in self.courier.created and run not in self.story.started:
                    self.stuck[run] = f"it begins in the journal {stem}, which is to be sent first"

    def _strange(self, address: Address) -> bool:
        unknown = not address.theirs or directory_of(address.to) is not None
        return unknown and address.run not in self.story.started

    def _parents(self) -> set[str]:
        return {each.parent for each in self.story.started.values() if each.parent} - self.story.started.keys()

    def _ship(self, marks: Progress, content: bytes) -> None:
        # to another endpoint everything goes: what the first one has is not there
        offset, smooth = len(MAGIC) if self.to else marks.start, True
        damaged = partial(_damaged, marks.path)
        while found := list(islice(frames(content, offset, damaged), RECORDS)):
            self.courier.ready()
            told = [(record, end) for payload, end in found for record in understood([payload])]
            told = [(record, end) for record, end in told if self.to or not marks.has(_who(record), end)]
            self.outcome.bytes += found[-1][1] - offset
            offset = found[-1][1]
            self._carry([record for record, _ in told])
            smooth = self._note(marks, [record for record, _ in told], offset, smooth)
            self.progress(len(found))
        if offset < len(content):
            inform("%s: the last %d bytes are torn, and left out", marks.path, len(content) - offset)

    def _carry(self, records: Sequence[Record]) -> None:
        bound = [self._bound(record) for record in records if not self._is_gone(record)]
        self.courier.carry(sorted_out(bound, self.book, self.folders, self.story.origin), self.stuck)

    def _bound(self, record: Record) -> Record:
        return msgspec.structs.replace(record, to=self.to) if self.to and hasattr(record, "to") else record

    def _is_gone(self, record: Record) -> bool:
        """True for a file that is not in these folders, nor ever to be read from elsewhere."""
        if not isinstance(record, Artifact):
            return False
        files = [os.path.normpath(folder / record.file) for folder in self.folders]
        inside = any(file.startswith(f"{folder}{os.sep}") for file, folder in zip(files, self.folders, strict=True))
        if inside and (not self.to or any(map(os.path.exists, files))):
            return False
        self.lost[record.run] = self.lost.get(record.run, 0) + 1
        return True

    def _note(self, marks: Progress, records: Sequence[Record], offset: int, smooth: bool) -> bool:
        """Remember who got how far; True as long as nobody is stuck."""
        sent = set()
        for record in records:
            if self._is_stuck(record):
                self.unsent[_who(record)] = self.unsent.get(_who(record), 0) + 1
            elif not isinstance(record, Source):
                sent.add(_who(record))
                self.outcome.records += 1
        self.outcome.runs |= {run for run in sent if not run.startswith("@")}
        smooth = smooth and not self.unsent
        if not self.to:
            marks.all_until(offset) if smooth else marks.these_until(sent, offset)
        return smooth

    def _is_stuck(self, record: Record) -> bool:
        run = _who(record)
        return run in self.stuck or self.book.owner(run) in self.stuck

    def _fail_models(self) -> None:
        """Say of models which the process had begun, and not finished, that they failed."""
        for begun in self.story.unfinished.values():
            address, owner = self.book.get(begun.run), self.book.owner(begun.run)
            if address is not None and not address.refused and owner not in self.stuck:
                failed = ModelLogged(begun.run, begun.at, begun.path, "", model=begun.model)
                self.courier.carry([Parcel(owner, address.to, [failed], self.book, self.folders)], self.stuck)

    def _end(self) -> None:
        """End what the process left open, at the time of the last that it said of it."""
        told = set().union(*(marks.ended for marks in self.marks.values()))
        for run in self.story.left_open(self.book):
            address = self.book.get(run)
            last = self.story.last.get(run) or self.story.last.get("") or now()
            if address is None or address.refused or {run, EVERY} & told or self.book.owner(run) in self.stuck:
                continue
            if self.others.go_on(run, address.theirs, last):
                continue
            records: list[Record] = [Tags(run, last, dict(ENDED)), RunEnded(run, last, "FAILED")]
            parcel = Parcel(self.book.owner(run), address.to, records, self.book, self.folders)
            parcel.posthumous = True
            self.courier.carry([parcel], self.stuck)
            if self.book.owner(run) in self.stuck:
                self.unsent[run] = self.unsent.get(run, 0) + len(records)
            elif not self.to:
                self.marks[self.left.paths[-1]].note_end(run)

    def _conclude(self) -> None:
        whole = not self.unsent
        for run, count in self.unsent.items():
            why = self.stuck.get(run) or self.stuck.get(self.book.owner(run), "")
            self.outcome.waits |= run in self.others.waiting
            self.outcome.unsent.append(Unsent(self.story.name(run), count, why))
        for run, count in self.lost.items():
            self.outcome.unsent.append(Unsent(self.story.name(run), count, "its files are not here any more"))
        if whole:
            self._remove()

    def _remove(self) -> None:
        """Remove what is delivered; what is left of it by a kill in the middle must not say that runs are open."""
        if len(self.left.paths) > 1:
            for marks in self.marks.values():
                marks.note_end(EVERY)
        for path in self.left.paths:
            for suffix in SUFFIXES:
                path.with_suffix(suffix).unlink(missing_ok=True)
        for folder in self.folders:
            with contextlib.suppress(OSError):
                shutil.rmtree(folder / "spool" / self.left.stem)
            with contextlib.suppress(OSError):
                (folder / "spool").rmdir()


def _who(record: Record) -> str:
    if isinstance(record, Source):
        return ""
    return key_of("", record.to) if isinstance(record, ExperimentNamed) else record.run


def _damaged(path: Path, offset: int, size: int) -> None:
    inform("%s is damaged at byte %d: %d bytes are left out", path, offset, size)
