"""One background thread reads the event files that traced functions write to."""

from __future__ import annotations

import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import fitscribe
from fitscribe import guarded
from fitscribe.integrations.tensorflow import eventfiles, values

__all__ = ["Reading"]

NEAR, FAR = 1.0, 30.0  # seconds between two looks at a folder here, and in an object store


class Reading:
    """What is read of one folder, from a moment on."""

    def __init__(self, folder: str, prefix: str, since: float, flush: Callable[[], object]) -> None:
        """`since` is in seconds since 1970; what was written before was heard. `flush()` makes writers write."""
        self.folder, self.prefix, self.since, self.flush = eventfiles.Folder(folder), prefix, since, flush
        self.run: Any = None
        self.ends: list[tuple[Any, float]] = []  # runs that ended since the last look, and when (seconds since 1970)
        self.known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()  # True: its end was seen
        self.looking = threading.RLock()
        self.at = 0.0  # monotonic seconds of the last look
        self.last: int | None = None  # of the last value, in milliseconds since 1970

    def into(self, run: Any) -> None:
        """Record what is written from here on in a run; before that ends, all that was written is read."""
        if run is self.run and not self.known[run]:
            return
        if self.run is not None:
            self._bounded(run)
        self._begun(run)
        _follow(self)

    def _begun(self, run: Any) -> None:
        self.run = run
        if run not in self.known:
            run.at_end(partial(self.rest, run))
        self.known[run] = False

    def rest(self, run: Any) -> None:
        """Have everything read that was written by now, before the run ends."""
        if run is self.run and not self.known[run]:
            self._bounded(run)

    def _bounded(self, by: Any) -> None:
        """Let what was written by now be the run's that it was read for, or nobody's where that is over."""
        with self.looking:
            self.ends.append((None if self.known[self.run] else self.run, time.time()))
            self.known[self.run] = True
            self.flush()
        by.later(self.look)

    @guarded("reading an event file")
    def look(self) -> None:
        """Read what is new, each value for the run in which it was written; what was written in none is left out."""
        with self.looking:
            self.at = time.monotonic()
            while self.ends:
                self._read(*self.ends.pop(0))
            self._read(self._open(), math.inf)

    def _read(self, run: Any, until: float) -> None:
        for event in self.folder.events(until):
            if event.wall_time < self.since or run is None:
                continue
            self.last = round(event.wall_time * 1000)
            for value in event.summary.value:
                values.record_proto(run, self.prefix, value, event.step, self.last)

    def _open(self) -> Any:
        """Return the run for what is written now: another one where that of the tracing is over; None where is none."""
        if self.known[self.run]:
            handle = fitscribe.active_run()
            if handle is None or self.known.get(handle.run):
                return None
            self._begun(handle.run)
        return self.run

    def due(self) -> bool:
        """True when it is time for a look."""
        return time.monotonic() - self.at >= (FAR if self.folder.far else NEAR)


_readings: weakref.WeakSet[Reading] = weakref.WeakSet()
_thread: threading.Thread | None = None
_process = 0
_starting = threading.Lock()


def _follow(reading: Reading) -> None:
    """See to it that a folder is read; the thread ends when nobody writes to any."""
    global _thread, _process
    with _starting:
        _readings.add(reading)
        if _thread is None or _process != os.getpid():
            _process = os.getpid()
            _thread = threading.Thread(target=_work, name="fitscribe summaries", daemon=True)
            _thread.start()


def _work() -> None:
    global _thread
    while True:
        time.sleep(NEAR / 2)
        _turn()
        with _starting:
            if not _readings:
                _thread = None
                return


def _turn() -> None:
    for reading in list(_readings):
        if reading.due():
            with reading.looking:
                if not reading.folder.far:
                    reading.flush()
                reading.look()
