"""Which run is the current one, in this thread or task; a thread that is in none may join the user's."""

from __future__ import annotations

import os
from contextvars import ContextVar
from itertools import pairwise

from fitscribe.run import Run, opened

__all__ = ["current", "current_here", "enter", "entered", "follow", "last_entered", "leave", "spoken_to"]

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


_loops: ContextVar[tuple[Run, ...]] = ContextVar("fitscribe.loops", default=())


def follow(run: Run) -> None:
    """Let what the user says in this context go to the run of a training that is no call, such as a loop's."""
    _loops.set((*(each for each in _loops.get() if each.ended is None), run))


def spoken_to() -> Run | None:
    """Return the run that the user's own words go to: the current one, else that of the loop that trains here.

    Of several loops that are under way, nobody knows which is meant. One that is over still hears how good its model
    is, until another run begins.
    """
    if (run := current()) is not None:
        return run
    known = [each for each in _loops.get() if each.process == os.getpid()]
    going = [each for each in known if each.ended is None]
    if going:
        return going[0] if len(going) == 1 else None
    return known[-1] if known and known[-1] is last_entered() else None


_last: list[Run] = []


def last_entered() -> Run | None:
    """Return the run that was made the current one last, wherever in this process; it may have ended."""
    return _last[0] if _last else None


def enter(run: Run) -> None:
    """Make `run` the current one in this context."""
    _last[:] = [run]
    _entered.set((*_entered.get(), run))


def leave(run: Run) -> None:
    """Make the run that was current before `run` the current one again; one that was entered twice is left once."""
    runs = _entered.get()
    last = max((place for place, each in enumerate(runs) if each is run), default=len(runs))
    _entered.set((*runs[:last], *runs[last + 1 :]))


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
