"""The shipper: what the rest of the house knows of delivery. It takes records and says how far they got."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import msgspec

from fitscribe import pace, workers
from fitscribe.config import folder, settings
from fitscribe.dialects import AddressBook, Dialect
from fitscribe.errors import MisuseError, TransportError
from fitscribe.guard import guarded, log, warn_once
from fitscribe.journal.segment import acknowledged, payloads
from fitscribe.journal.spool import Spool
from fitscribe.records import ExperimentNamed, Record, Source, decode
from fitscribe.shipping.lifetime import Lifetime
from fitscribe.shipping.salvage import Salvage
from fitscribe.shipping.status import DeliveryStatus, status_of
from fitscribe.undivided import watch_forks

__all__ = ["Shipper"]

MANY = 50_000  # records that wait, of which an exit takes no time to tell the runs


class Shipper:
    """One per process; a forked child goes on with a journal of its own. No file, no thread until the first record."""

    def __init__(
        self, folder: Path, dialect_for: Callable[[str], Dialect], goodbye: Callable[[], None] | None = None
    ) -> None:
        """`folder` is for the journal; `dialect_for` gives the dialect of a tracking URI.

        `goodbye` is called at the end of a `multiprocessing` worker; without it, `close`.
        """
        self.folder, self.dialect_for = folder, dialect_for
        self._goodbye = goodbye
        self._life: Lifetime | None = None
        self._past: list[Lifetime] = []
        self._book = AddressBook()
        self._origin: dict[str, str] | None = None
        self._beginning = threading.Lock()
        self._salvage = self._salvaging(alone=not workers.is_worker())
        _watch_forks(self)

    def emit(self, record: Record) -> None:
        """Take a record; it is on disk (in the system's cache) when this returns. Never raises, takes microseconds."""
        life = self._life
        if life is None:
            life = self._begin()
        life.emit(record)

    def snapshot(self, content: str | Path | bytes, name: str) -> str:
        """Copy a file, or write bytes, into the spool; return the name for `Artifact.file`, "" when there is no room.

        `MissingFile`, `MisuseError`: there is no such file, or it is none.
        """
        life = self._life or self._begin()
        if not life.allowance.takes(_size(content)):
            return ""
        try:
            file = life.spool.keep(content, name)
        except MisuseError:
            raise
        except OSError as error:
            warn_once("no disk takes a copy of what is to be uploaded (%s); it is left out", error.strerror or error)
            return ""
        life.allowance.took(_size(file))
        return life.spool.name(file)

    def spool_path(self, name: str) -> Path:
        """Return a fresh path in the spool to write a file to; `spooled` gives its name for `Artifact.file`.

        Never raises; writing there raises `OSError` when no disk takes it.
        """
        return self._spool().path(name)

    def spooled(self, path: Path) -> str:
        """Return the name for `Artifact.file` of a file written to a `spool_path`, "" when there is no room for it."""
        life = self._life or self._begin()
        size = _size(path)
        if not path.exists():  # no disk took it
            return ""
        if life.allowance.takes(size):
            life.allowance.took(size)
            return life.spool.name(path)
        with contextlib.suppress(OSError):
            path.unlink()
        return ""

    def flush(self, seconds: float) -> bool:
        """Wait until all that was emitted before is delivered or set aside.

        False after `seconds`, or after `exit_patience` without a sign of life from the endpoint.
        """
        life, began = self._life, time.monotonic()
        target = life.segments.count if life else 0
        done = life is None or life.until(lambda: life.settled >= target, seconds)
        self._salvage.settle_children(began + seconds - time.monotonic())
        return done

    def pending(self) -> int:
        """Return how many records are not delivered yet."""
        life = self._life
        return max(0, life.segments.count - life.settled) if life else 0

    def theirs(self, run: str, seconds: float) -> str:
        """Return the endpoint's id for a run of ours, or a model; an id that is not ours is taken to be theirs.

        `TransportError`: it could not be learned within `seconds`, or the endpoint refused the run.
        """
        address = self._book.get(run)
        if address is None or address.theirs:
            return address.theirs if address else self._book.models.get(run, run)
        life = self._life
        known = life is not None and life.until(lambda: bool(address.theirs or address.refused), seconds)
        if address.theirs:
            return address.theirs
        if known:
            raise TransportError(f"{address.to} refused the run {run}: {address.refused}")
        why = self.trouble() or "no answer so far"
        raise TransportError(f"{address.to} has not taken the run {run} yet ({why}); it is kept and sent later")

    def trouble(self) -> str:
        """Return what went wrong with delivery last, or "" when all is well."""
        return self._life.delivery.trouble if self._life else ""

    def status(self) -> DeliveryStatus:
        """Return the account of this process so far."""
        life = self._life
        return status_of([*self._past, *([life] if life else [])], self.folder)

    def close(self) -> None:
        """Deliver what is left, within the limits for the exit; say in one line what could not be. Never raises.

        A record that is emitted later begins a new journal.
        """
        life = self._life
        if life is None:
            self._salvage.settle_children(settings().exit_timeout)
            return
        with guarded("delivering the rest at exit"):
            try:
                done = self.flush(settings().exit_timeout)
                self._part(life)
                if done:  # threads may log to the very end: what they said meanwhile
                    life.until(lambda: life.settled >= life.segments.count, settings().exit_patience)
            except KeyboardInterrupt:
                log().warning("interrupted while the rest was being delivered")
        self._salvage.stop()
        with guarded("closing the journal"):
            self._part(life)
            trouble, left = life.delivery.trouble, life.stop()
            self._origin = life.origin
            if left:
                _tell(left, life.segments.count - life.settled, trouble)

    def _part(self, life: Lifetime) -> None:
        """Let what is emitted from here on begin another journal, which explains runs anew, also those that ended."""
        if self._life is life:
            known = (msgspec.structs.replace(each, ended=False, guest=True) for each in self._book.all())
            self._life, self._book = None, AddressBook(known)
            self._past.append(life)

    def _begin(self) -> Lifetime:
        with self._beginning:
            if self._life is None:
                watch_forks()
                self._life = Lifetime(self.folder, self.dialect_for, self._book, self._origin)
                self._life.begun = self._salvage.start
                workers.at_end(self._goodbye or self.close)
            return self._life

    def _spool(self) -> Spool:
        return (self._life or self._begin()).spool

    def _salvaging(self, alone: bool) -> Salvage:
        return Salvage(self.folder, self.dialect_for, lambda: self.pending() > 0, self._used, alone)

    def _used(self) -> set[str]:
        return {address.to for address in self._book.all()}

    def forked(self) -> None:
        """In a forked child: leave the parent's journal to the parent, and begin one of our own when needed."""
        pace.reset()  # another thread may have held its lock at the fork
        life, self._life, self._past, self._beginning = self._life, None, [], threading.Lock()
        self._salvage = self._salvaging(alone=False)
        if life is None:
            return
        life.segments.abandon()
        self._origin = life.origin
        self._book = AddressBook(msgspec.structs.replace(each, foreign=True, guest=True) for each in self._book.all())


def _watch_forks(shipper: Shipper) -> None:
    if not hasattr(os, "register_at_fork"):
        return
    known = weakref.ref(shipper)

    def in_child() -> None:
        alive = known()
        if alive is not None:
            alive.forked()

    os.register_at_fork(after_in_child=in_child)


def _tell(segments: list[Path], pending: int, trouble: str) -> None:
    """Say in one line what the segments hold beyond what was acknowledged."""
    where = segments[0].parent
    command = "fitscribe sync" if where == folder() / "journal" else f"fitscribe sync {where.parent}"
    log().warning(
        "%s are not delivered (%s); they are kept in %s, and `%s` sends them",
        *(_count(segments, pending), trouble or "time ran out", where, command),
    )


def _count(segments: list[Path], pending: int) -> str:
    if pending > MANY:
        return f"{pending} record(s)"
    records = 0
    runs: set[str] = set()
    for path in segments:
        for payload in payloads(path, acknowledged(path)):
            record = decode(payload)
            records += not isinstance(record, Source)
            if not isinstance(record, Source | ExperimentNamed):
                runs.add(record.run)
    return f"{records} record(s) of {len(runs)} run(s)"


def _size(content: str | Path | bytes) -> int:
    if isinstance(content, bytes):
        return len(content)
    with contextlib.suppress(OSError):  # taking it will say what is wrong
        return os.path.getsize(content)
    return 0
