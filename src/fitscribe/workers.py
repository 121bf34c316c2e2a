"""Workers of `multiprocessing`: who works for whom, what is done when a worker ends, and how it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

from fitscribe.records import Status

__all__ = ["at_end", "how_it_ends", "is_worker"]

_frame: FrameType | None = None
"""Where `multiprocessing` runs this worker's work; what came of that stays there."""


def is_worker() -> bool:
    """Tell if this process was made by `multiprocessing`, to work for another."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def at_end(goodbye: Callable[[], None]) -> None:
    """Call `goodbye` at the end of a worker, which may leave without running what `atexit` holds."""
    global _frame
    if not is_worker():
        return
    from multiprocessing.process import BaseProcess
    from multiprocessing.util import Finalize

    code = BaseProcess._bootstrap.__code__  # type: ignore[attr-defined]
    _frame = sys._getframe()
    while _frame is not None and _frame.f_code is not code:
        _frame = _frame.f_back
    Finalize(None, goodbye, exitpriority=1)


def how_it_ends() -> Status | None:
    """Return how the work of this worker has ended, as far as that is known; None where it was no error.

    Up to Python 3.12 a worker says goodbye while its error is on its way out, later when all that is left of it is an
    exit code: then `sys.exit(1)` and Ctrl-C are taken for an error.
    """
    if not is_worker():
        return None
    error = sys.exc_info()[1]
    if error is not None and not isinstance(error, SystemExit):
        return "FAILED" if isinstance(error, Exception) else "KILLED"
    return "FAILED" if _frame is not None and _frame.f_locals.get("exitcode") == 1 else None
