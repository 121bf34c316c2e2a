"""Pace: work in the background stands back while a watched call of the user's runs.

A background thread that computes takes the interpreter's lock at every system call of the user's thread and keeps it
for up to 5 ms. So what can wait does: until no watched call has run for a moment, but never for longer than a limit,
and not at all when somebody waits for it.
"""

from __future__ import annotations

import threading
import time

__all__ = ["hurry", "reset", "stand_back", "training"]

QUIET = 0.05  # seconds without a watched call: a loop over fits is over, or between two long ones

_changed = threading.Condition()
_running = 0
_last = 0.0
_waited_for = 0


class training:
    """`with training():` around a watched call."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _running
        with _changed:
            _running += 1

    def __exit__(self, *_: object) -> None:
        global _running, _last
        with _changed:
            _running = max(0, _running - 1)  # a fork inside the call began anew
            _last = time.monotonic()


class hurry:
    """`with hurry():` - somebody waits for the background: nothing stands back in this block."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _waited_for
        with _changed:
            _waited_for += 1
            _changed.notify_all()

    def __exit__(self, *_: object) -> None:
        global _waited_for
        with _changed:
            _waited_for = max(0, _waited_for - 1)


def stand_back(until: float) -> None:
    """Return when no watched call has run for a moment, when somebody is in a hurry, or at `until` (monotonic)."""
    with _changed:
        while not _waited_for:
            now = time.monotonic()
            quiet = 0.0 if _running else now - _last
            if quiet >= QUIET or now >= until:
                return
            _changed.wait(min(max(QUIET - quiet, 0.005), until - now))


def reset() -> None:
    """Begin anew in a forked child: its parent's calls do not run here."""
    global _changed, _running, _waited_for
    _changed = threading.Condition()
    _running = _waited_for = 0
