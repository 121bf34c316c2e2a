"""Work that can wait until the user's call has returned: one background thread, in order."""

from __future__ import annotations

import contextvars
import os
import queue
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

from fitscribe import overhead, pace
from fitscribe.guard import guarded
from fitscribe.undivided import undivided

__all__ = ["do", "drain", "held"]

PATIENCE = 2.0  # seconds that a piece of work stands back while the user trains
MOST = 500  # pieces that wait

_kept: ContextVar[list[Callable[[], object]] | None] = ContextVar("fitscribe.kept", default=None)


class held:
    """`with held():` - what is asked for in this block begins when the block ends.

    A background thread that computes takes the interpreter's lock at every system call of the user's thread and
    keeps it for up to 5 ms: a fit that logs would wait for its own afterwork.
    """

    __slots__ = ("outer", "token")

    def __enter__(self) -> None:
        self.outer = _kept.get()
        if self.outer is None:
            self.token = _kept.set([])

    def __exit__(self, *_: object) -> None:
        if self.outer is None:
            pieces = _kept.get() or []
            _kept.reset(self.token)
            for piece in pieces:
                do(piece)


class _Line:
    """The waiting line of one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.work: queue.SimpleQueue[tuple[float, contextvars.Context, Callable[[], object]]] = queue.SimpleQueue()
        self.asked = self.done = 0
        self.moved = threading.Condition()
        threading.Thread(target=self.run, name="fitscribe afterwards", daemon=True).start()

    def run(self) -> None:
        overhead.leave_out()
        while True:
            asked, context, piece = self.work.get()
            pace.stand_back(asked + PATIENCE)
            with undivided, guarded("work after the fit"):  # it may import: no fork in the middle of that
                context.run(piece)
            del context, piece  # what the user lets go of must not live on in an idle thread
            with self.moved:
                self.done += 1
                self.moved.notify_all()


_line: _Line | None = None
_making = threading.Lock()


def do(piece: Callable[[], object]) -> None:
    """Call `piece()` in the background, after all that was asked for before, in the caller's context.

    Errors are logged and swallowed. What `piece` needs of the user's objects has to be copied before: they may
    change the next moment.
    """
    kept = _kept.get()
    if kept is not None:
        kept.append(piece)
        return
    global _line, _making
    line = _line
    if line is None or line.process != os.getpid():  # first use, or a forked child: threads do not fork
        if line is not None:
            _making = threading.Lock()  # the parent may have held it at the fork
        with _making:
            if _line is None or _line.process != os.getpid():
                _line = _Line()
            line = _line
    with line.moved:
        line.asked += 1
        if line.asked - line.done > MOST:  # the user trains faster than we can follow: memory has to end somewhere
            with pace.hurry():
                line.moved.wait_for(lambda: line.asked - line.done <= MOST, PATIENCE)
    line.work.put((time.monotonic(), contextvars.copy_context(), piece))


def drain(seconds: float) -> bool:
    """Wait until all work asked for before this call is done; False when time ran out."""
    line = _line
    if line is None or line.process != os.getpid():
        return True
    deadline, asked = time.monotonic() + seconds, line.asked
    with pace.hurry(), line.moved:
        return line.moved.wait_for(lambda: line.done >= asked, max(0.0, deadline - time.monotonic()))
