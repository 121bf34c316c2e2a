"""Parcels: the records of one run on their way to an endpoint, and the addresses of all runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fitscribe.config import directory_of
from fitscribe.records import Artifact, Record, RunResumed, RunStarted

__all__ = ["Address", "AddressBook", "Parcel", "Refusal", "addressed"]


class Address(msgspec.Struct, omit_defaults=True):
    """Where a run of ours is: its endpoint, and what that calls it (`theirs`, empty while unknown)."""

    run: str
    to: str
    theirs: str = ""
    experiment: str = ""
    experiment_id: str = ""
    ended: bool = False
    foreign: bool = False  # another process tells the endpoint of it
    guest: bool = False  # another process began it, and ends it
    doubt: bool = False  # it was asked to create the run, and nobody knows whether it did
    refused: str = ""  # why the endpoint takes nothing for this run
    resumed: bool = False  # it went on: params that differ are drift, and no mistake
    parent: str = ""  # run id of ours


def addressed(record: RunStarted | RunResumed) -> Address:
    """Return the address of a run as its first record tells it."""
    if isinstance(record, RunResumed):
        return Address(record.run, record.to, record.theirs, resumed=record.drift)
    theirs = record.run if directory_of(record.to) else ""  # the embedded store takes our ids
    return Address(
        record.run, record.to, theirs, record.experiment, record.experiment_id,
        doubt=record.resume, resumed=record.resume, parent=record.parent,
    )  # fmt: skip


class Whole(NamedTuple):
    """What an artifact is to hold because it did not fit elsewhere, piece by piece, and the records that say it."""

    contents: list[Any]  # dicts or lists
    says: list[Record]


class Refusal(NamedTuple):
    """What an endpoint refused for good, and in which words."""

    record: Record
    why: str


class AddressBook:
    """The addresses of the runs that this process writes to; safe to use from several threads."""

    def __init__(self, known: Iterable[Address] = ()) -> None:
        """Begin with what another process or an earlier segment knew."""
        self._known: dict[str, Address] = {}
        self._owners: dict[tuple[str, str], str] = {}  # by endpoint and its id: two endpoints may use the same
        self._below: dict[str, list[str]] = {}
        self.models: dict[str, str] = {}  # what endpoints call models of ours, of this process alone
        for address in known:
            self.add(address)
        self.changed = threading.Condition()
        self.learned: Callable[[Address], None] | None = None  # the journal writes it down

    def add(self, address: Address) -> None:
        """Note a run that begins now, or goes on under a new id of ours."""
        if address.parent and address.run not in self._known:
            self._below.setdefault(address.parent, []).append(address.run)
        self._known[address.run] = address
        if address.theirs:
            owner = self._owners.setdefault((address.to, address.theirs), address.run)
            if address.resumed and owner in self._known:
                self._known[owner].resumed = True

    def get(self, run: str) -> Address | None:
        """Return the address, or None for a run that nobody told us of."""
        return self._known.get(run)

    def owner(self, run: str) -> str:
        """Return the first id of ours for the same run of theirs: a run that was resumed has several."""
        address = self._known.get(run)
        return self._owners.get((address.to, address.theirs), run) if address else run

    def theirs(self, run: str) -> str:
        """Return the endpoint's id, or "" while it is unknown."""
        address = self._known.get(run)
        return address.theirs if address else ""

    def learn(self, run: str, theirs: str) -> None:
        """The endpoint calls the run `theirs`."""
        address = self._known[run]
        address.theirs, address.doubt, address.foreign = theirs, False, False
        self._owners.setdefault((address.to, theirs), run)
        if self.learned:
            self.learned(address)
        with self.changed:
            self.changed.notify_all()

    def refuse(self, run: str, why: str) -> None:
        """The endpoint takes nothing for this run, for good."""
        if run in self._known:
            self._known[run].refused = why
        with self.changed:
            self.changed.notify_all()

    def all(self) -> list[Address]:
        """Return every address."""
        return list(self._known.values())

    def children(self, run: str) -> list[Address]:
        """Return the addresses of the runs directly below a run of ours."""
        return [self._known[below] for below in self._below.get(run, ())]

    def open(self) -> list[Address]:
        """Return the addresses of runs that have not ended."""
        return [address for address in self.all() if not address.ended]


class Parcel:
    """The records of one run, in order; a dialect writes them and takes note here of how far it got."""

    def __init__(
        self, run: str, to: str, records: Sequence[Record], book: AddressBook, folders: Sequence[Path]
    ) -> None:
        """`run` is the id of ours ("" for what concerns no run), `folders` are where snapshots may lie."""
        self.run, self.to, self.records, self.book, self.folders = run, to, records, book, folders
        self.rest: Any = None  # what the dialect still has to do; its own business
        self.refused: list[Refusal] = []
        self.since = time.monotonic()
        self.examined = False  # the dialect made sure that the run is there and not deleted
        self.posthumous = False  # the end of a run whose process died, unless somebody else ended it
        self.closing = False  # all that was said of the run and of those below it is written: look it over
        self.breakdowns: list[float] = []  # monotonic seconds of answers of 500 in a row to the same request
        self.checked: bool = False  # something was written to it only to see whether writing works
        self.kept: dict[str, Whole] = {}  # by artifact path
        self.params: dict[str, str] | None = None  # those that the endpoint has, once it was asked

    @property
    def address(self) -> Address:
        """The address of the run."""
        found = self.book.get(self.run)
        return found if found else Address(self.run, self.to)

    def file(self, record: Artifact) -> Path:
        """Return the snapshot of an artifact."""
        found = (folder / record.file for folder in self.folders)
        return next((file for file in found if file.exists()), self.folders[0] / record.file)

    def refuse(self, records: Iterable[Record], why: str) -> None:
        """Set aside records that the endpoint never will take."""
        self.refused.extend(Refusal(record, why) for record in records)

    def keep(self, path: str, content: Any, record: Record) -> None:
        """Note what an artifact is to hold besides what it holds; `content` is a dict, or a list."""
        there = self.kept.setdefault(path, Whole([], []))
        if record not in there.says:
            there.contents.append(content)
            there.says.append(record)
