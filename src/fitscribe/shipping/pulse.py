"""The pulse of the shipper's thread: when it sleeps, lingers, hurries, pauses and stops."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["Pulse"]

LINGER = 0.03  # seconds without a record after which a burst is over
LONGEST_LINGER = 1.0  # from the first record of a steady stream to its delivery, so that it travels in few requests
AGAIN = 0.5  # seconds between attempts while somebody waits


class Pulse:
    """One thread rests and pauses here; any other may wake it, hurry it, or stop it."""

    def __init__(self) -> None:
        """Begin awake."""
        self.asleep = False  # look at it after writing; who finds it True calls `wake`
        self._woken = threading.Event()
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._waiting = 0
        self._counting = threading.RLock()

    @property
    def stopped(self) -> bool:
        """True from `stop` on."""
        return self._stop.is_set()

    @property
    def hurried(self) -> bool:
        """True while somebody waits."""
        return self._hurry.is_set()

    def wake(self) -> None:
        """End the sleep, if the thread sleeps."""
        self.asleep = False
        self._woken.set()

    def stop(self) -> None:
        """End sleep and pauses for good."""
        self._stop.set()
        self._hurry.set()
        self._woken.set()

    @contextlib.contextmanager
    def hurrying(self) -> Iterator[None]:
        """Cut short sleep, lingering and pauses as long as somebody waits in this block."""
        with self._counting:
            self._waiting += 1
            self._hurry.set()
            self._woken.set()
        try:
            yield
        finally:
            with self._counting:
                self._waiting -= 1
                if not self._waiting and not self.stopped:
                    self._hurry.clear()

    def rest(self, work: Callable[[], bool], full: Callable[[], bool], said: Callable[[], int]) -> bool:
        """Sleep until there is work, and as long as more is `said`, so that a burst travels together.

        A burst waits a second at most, and not for a `full` load or when somebody waits. False without work.
        """
        if not work():
            self._sleep(work)
            if not work():
                return False
        until, before = time.monotonic() + LONGEST_LINGER, -1
        while not full() and before != (before := said()) and time.monotonic() < until:
            if self._hurry.wait(LINGER):
                break
        return not self.stopped

    def _sleep(self, work: Callable[[], bool]) -> None:
        self.asleep = True
        if not work() and not self.stopped:  # looked at once more: a record may have come before we said so
            self._woken.wait()
        self.asleep = False
        self._woken.clear()

    def pause(self, seconds: float, asked: bool) -> bool:
        """Wait between attempts, not long while somebody waits unless the endpoint `asked` for it; False: stop."""
        if asked or self._hurry.is_set() or self._hurry.wait(seconds):
            self._stop.wait(seconds if asked else min(seconds, AGAIN))
        return not self.stopped
