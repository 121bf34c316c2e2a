"""The pulse of the shipper's thread: when it sleeps, lingers, hurries, pauses and stops."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

__all__ = ["Pulse"]

LINGER = 0.03  # seconds from the first record of a burst to its delivery
LONGEST_LINGER = 0.5  # in a steady stream, so that it travels in few requests
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
        self._linger = LINGER

    @property
    def stopped(self) -> bool:
        """True from `stop` on."""
        return self._stop.is_set()

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

    def rest(self, work: Callable[[], bool], full: Callable[[], bool]) -> bool:
        """Sleep until there is work, and a moment longer, so that a burst travels together; False without work."""
        if not work():
            self._linger = LINGER
            self._sleep(work)
            if not work():
                return False
        if not full() and not self._hurry.wait(self._linger):
            self._linger = min(LONGEST_LINGER, 2 * self._linger)
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
