"""Work on background threads that a fork must not cut in two: imports, and starts of programs.

A child that is forked while another thread imports a module finds that module locked for ever, also when it is
the user's code that wants it. So a fork waits until our background imports are done, and they until it is over.
"""

from __future__ import annotations

import os
import threading

__all__ = ["Undivided", "undivided", "watch_forks"]

SECONDS = 10.0  # that a fork waits at most

_lock = threading.RLock()
_held = threading.local()
_watching = False


class Undivided:
    """`with undivided:` around a heavy import, or the start of a program, on a thread of ours."""

    def __enter__(self) -> None:
        _lock.acquire()

    def __exit__(self, *_: object) -> None:
        _lock.release()


undivided = Undivided()


def watch_forks() -> None:
    """Let forks of this process wait from now on; call it before the first thread of ours starts."""
    global _watching
    if not _watching and hasattr(os, "register_at_fork"):
        _watching = True
        # these two have hooks of their own for forks: imported in the background while a fork waits for that, they
        # would let go, after it, of locks that they did not take before it
        import concurrent.futures.thread  # noqa: F401
        import logging  # noqa: F401

        os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_in_child)


def _before() -> None:
    _held.yes = _lock.acquire(timeout=SECONDS)


def _after() -> None:
    if _held.yes:
        _lock.release()


def _in_child() -> None:
    global _lock
    _lock = threading.RLock()
