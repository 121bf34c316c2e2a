"""Salvage: a background thread that sends what ended processes have left in this process's journal folder."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fitscribe import pace
from fitscribe.config import directory_of, settings
from fitscribe.dialects import Dialect
from fitscribe.guard import guarded, inform, log
from fitscribe.journal import locks
from fitscribe.undivided import undivided

if TYPE_CHECKING:
    from fitscribe.journal.remains import Left
    from fitscribe.shipping.recovery import Outcome

__all__ = ["Salvage"]

FIRST = 1.0  # seconds after this process's first records
AGAIN = 30.0  # seconds between looks
LONGEST = 600.0  # seconds until a journal is tried again that could not be sent; doubled from AGAIN
STAND_BACK = 2.0  # seconds that a window of records waits while the user trains
OWN_FIRST = 5.0  # seconds that it waits for this process's own records
PATIENCE = 2.0  # seconds that an endpoint has to recover while somebody waits for what children left
TICK = 0.02  # seconds between looks at what somebody waits for


class _Stop(Exception):
    """The process is about to end."""


class Salvage:
    """Makes no thread until `start`. It may be cut off at any moment: what it does can be repeated."""

    def __init__(
        self, folder: Path, dialect_for: Callable[[str], Dialect], busy: Callable[[], bool],
        used: Callable[[], set[str]], alone: bool = True,
    ) -> None:  # fmt: skip
        """`busy()` tells whether records of this process wait, `used()` which endpoints it speaks to.

        Without `alone`, as in a worker, only the journals of its own children are its business.
        """
        self.folder, self.dialect_for, self.busy, self.used, self.alone = folder, dialect_for, busy, used, alone
        self._pid = os.getpid()
        self._thread: threading.Thread | None = None
        self._woken = threading.Event()
        self._asked = self._served = 0  # times that somebody waited for what children left
        self._stopped = False
        self._moved = 0.0  # monotonic seconds of the last window
        self._under_way = ""  # the stem of the journal that is being sent
        self._strangers: set[str] = set()  # names of journals that no child of ours writes
        self._later: dict[str, tuple[float, float]] = {}  # monotonic seconds when to try again, and the last wait
        self._starting = threading.Lock()

    def start(self) -> None:
        """Begin to look, in a moment and then now and again."""
        with self._starting:
            if self._thread is None and not self._stopped and not sys.is_finalizing():
                thread = threading.Thread(target=self._work, name="fitscribe salvage", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # at the interpreter's end none may start
                    return
                self._thread = thread

    def stop(self) -> None:
        """Begin nothing any more."""
        self._stopped = True
        self._woken.set()

    def settle_children(self, seconds: float) -> None:
        """Wait until what children of this process left is sent, if there is any; it is looked for at once.

        Returns after `seconds`, or after `exit_patience` in which nothing moved.
        """
        if not self._orphans() or self._stopped:
            return
        began, patience = time.monotonic(), settings().exit_patience
        self._asked += 1
        mine = self._asked
        self.start()
        self._woken.set()
        with pace.hurry():
            while self._served < mine and self._thread is not None:
                now = time.monotonic()
                if now - began > seconds or now - max(began, self._moved) > patience:
                    return
                time.sleep(TICK)

    def _orphans(self) -> set[str]:
        """Return the stems of journals that children of this process have left, in tens of microseconds."""
        found: set[str] = set()
        try:
            with os.scandir(self.folder) as files:
                names = [file.name for file in files if file.name.endswith(".journal")]
        except OSError:
            return found
        for name in names:
            if name in self._strangers:
                continue
            lock = (self.folder / name).with_suffix(".lock")
            owner = locks.owner(lock)
            if owner is not None and (owner.parent != self._pid or owner.host != locks.host()):
                self._strangers.add(name)
            elif owner is not None and not locks.held(lock):
                found.add(name.removesuffix(".journal").rpartition("-")[0])
        return {stem for stem in found if self._due(stem)}

    def _due(self, stem: str) -> bool:
        return self._later.get(stem, (0.0, 0.0))[0] <= time.monotonic()

    # the thread's side

    def _work(self) -> None:
        with undivided:
            import fitscribe.shipping.recovery  # noqa: F401
        self._woken.wait(FIRST)
        swept = False
        while not self._stopped:
            self._woken.clear()
            with guarded("sending what ended processes left"):
                self._serve()
                if self.alone and not self._stopped:
                    self._look(swept)
                    swept = True
            locks.beat()
            self._woken.wait(AGAIN)

    def _look(self, swept: bool) -> None:
        from fitscribe.journal.remains import left_behind, sweep

        found = [each for each in left_behind(self.folder) if self._due(each.stem)]
        self._send([each for each in found if _by_this_user(each)], self._ready, self._refuses, 0.0)
        if not swept:
            sweep(self.folder)

    def _serve(self) -> None:
        """Send what children left, when somebody waits for it."""
        if (asked := self._asked) == self._served:
            return
        from fitscribe.journal.remains import left_behind

        orphans = self._orphans()
        under_way, self._under_way = self._under_way, ""
        try:
            found = [each for each in left_behind(self.folder) if each.stem in orphans]
            self._send(found, self._alive, lambda to: "", PATIENCE)
        finally:
            self._under_way = under_way
            if under_way not in orphans:
                self._served = asked

    def _send(
        self, found: list[Left], ready: Callable[[], None], refuses: Callable[[str], str], patience: float
    ) -> None:
        """Send journals, and say in one line what was sent."""
        from fitscribe.shipping.courier import Courier
        from fitscribe.shipping.recovery import Outcome, deliver, in_rounds

        if not found:
            return
        courier = Courier(self.dialect_for, self.folder, patience, ready, refuses)
        outcomes: list[Outcome] = []

        def send(left: Left) -> Outcome:
            self._under_way = left.stem
            try:
                outcome = deliver(left, courier)
            except OSError as error:  # another process is at it, or the disk fails
                log().debug("%s is not sent now: %s", left.stem, error)
                return Outcome()
            finally:
                self._under_way = ""
            outcomes.append(outcome)
            self._think(left, outcome)
            return outcome

        try:
            in_rounds(found, send)
        except _Stop:
            log().debug("what ended processes left is sent by the next one")
        finally:
            courier.dismiss()
        if records := sum(outcome.records for outcome in outcomes):
            runs = len(set().union(*(outcome.runs for outcome in outcomes)))
            inform("sent %d record(s) of %d run(s) that ended processes had left in %s", records, runs, self.folder)

    def _think(self, left: Left, outcome: Outcome) -> None:
        """Try again later what could not be sent, and later each time."""
        for each in outcome.unsent:
            log().debug("%s: %d record(s) of %s are not sent now: %s", left.stem, each.records, each.run, each.why)
        if outcome.unsent and not outcome.waits:
            wait = min(LONGEST, 2 * self._later.get(left.stem, (0.0, AGAIN / 2))[1])
            self._later[left.stem] = time.monotonic() + wait, wait

    def _ready(self) -> None:
        """Stand back for the user's training, and for the records of this process."""
        pace.stand_back(time.monotonic() + STAND_BACK)
        until = time.monotonic() + OWN_FIRST
        while self.busy() and self._asked == self._served and not self._stopped and time.monotonic() < until:
            time.sleep(TICK)
        self._serve()
        self._alive()

    def _alive(self) -> None:
        self._moved = time.monotonic()
        if self._stopped:
            raise _Stop

    def _refuses(self, to: str) -> str:
        """Keep this process's credentials for the endpoints that it uses itself: a journal may be a stranger's."""
        found = settings()
        secret = found.tracking_token or found.tracking_password or found.client_cert
        if not secret or directory_of(to) is not None or to in self.used():
            return ""
        return f"{to} is not an endpoint of this process, whose credentials are not for it; `fitscribe sync` sends it"


def _by_this_user(left: Left) -> bool:
    """True when this user wrote a journal: what another one left is that one's, or to be sent by hand."""
    if not hasattr(os, "geteuid"):
        return True
    return all(path.stat().st_uid == os.geteuid() for path in left.paths)
