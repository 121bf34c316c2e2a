"""Overhead: how long fitscribe has kept the user's threads busy in this process."""

from __future__ import annotations

import threading
from time import perf_counter_ns

__all__ = ["here", "leave_out", "ours", "spent"]

_cells: list[list[int]] = []


class _Mine(threading.local):
    """A thread's own count in nanoseconds; a shared one would lose what two threads add at a time."""

    def __init__(self) -> None:
        self.cell = [0]
        _cells.append(self.cell)


_mine = _Mine()


def here() -> list[int]:
    """Return the count of this thread, a list of one number of nanoseconds: for the one place too hot for `ours`."""
    return _mine.cell


def leave_out() -> None:
    """Do not count this thread: it is one of ours."""
    _cells.remove(_mine.cell)


class ours:
    """`with ours():` around what we do on a thread of the user's; what lies within another counts once."""

    __slots__ = ("before", "began", "cell")

    def __enter__(self) -> None:
        self.cell = _mine.cell
        self.before = self.cell[0]
        self.began = perf_counter_ns()

    def __exit__(self, *_: object) -> None:
        self.cell[0] = self.before + perf_counter_ns() - self.began


def spent() -> float:
    """Return the milliseconds spent so far, of all threads together."""
    return sum(cell[0] for cell in _cells) / 1e6
