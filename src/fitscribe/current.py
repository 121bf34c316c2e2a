"""Which run is the current one, in this thread or task; a thread that is in none may join the user's."""

from __future__ import annotations

import os
from contextvars import ContextVar
from itertools import pairwise

from fitscribe.run import Run, opened

__all__ = ["current", "current_here", "enter", "entered", "last_entered", "leave"]

_entered: ContextVar[tuple[Run, ...]] = ContextVar("fitscribe.runs", default=())


def current() -> Run | None:
    """Return the innermost run that this context (thread, asyncio task) is in.

    A thread that is in none joins the run that the user opened elsewhere, if there is no doubt which: all the
    user's open runs lie within one another. Runs of autologging are joined by nobody.
    """
    if (run := current_here()) is not None:
        return run
    mine = [run for run in list(opened.values()) if run.by_user and run.process == os.getpid()]
    if not mine or any(inner.parent is not outer for outer, inner in pairwise(mine)):
        return None
    return mine[-1]


def current_here() -> Run | None:
    """Return the innermost run that was entered in this very context."""
    for run in reversed(_entered.get()):
        if run.ended is None:
            return run
    return None


_last: list[Run] = []


def last_entered() -> Run | None:
    """Return the run that was made the current one last, wherever in this process; it may have ended."""
    return _last[0] if _last else None


def enter(run: Run) -> None:
    """Make `run` the current one in this context."""
    _last[:] = [run]
    _entered.set((*_entered.get(), run))


def leave(run: Run) -> None:
    """Make the run that was current before `run` the current one again."""
    _entered.set(tuple(each for each in _entered.get() if each is not run))


class entered:
    """`with entered(run):` makes a run the current one inside the block; it does not end it."""

    __slots__ = ("run",)

    def __init__(self, run: Run) -> None:
        """Hold the run until the block begins."""
        self.run = run

    def __enter__(self) -> Run:
        enter(self.run)
        return self.run

    def __exit__(self, *_: object) -> None:
        leave(self.run)
