"""Signals: a process that is told to end by SIGTERM says first that its runs were killed, and then dies as it would.

Nothing is installed where somebody else has a handler, and a handler that comes later replaces ours. A long call into
C that keeps the interpreter busy without letting go of it is waited for, as Ctrl-C waits for it.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from fitscribe.guard import guarded, quietly

__all__ = ["remain_interrupted", "told", "watch"]

PROMPT = 0.5  # seconds within which Python runs a handler, unless the main thread is in a long call
MOMENT = 2.0  # seconds that delivery gets, as long as it gets on
BREATH = 0.25  # seconds between looks at the pipe: a profiler's signals must not keep us busy


class _Watch:
    """The handler for SIGTERM of one process, and the thread that stands in for it."""

    def __init__(self, last_words: Callable[[float], object]) -> None:
        self.last_words, self.process = last_words, os.getpid()
        self.told = self.began = 0.0  # monotonic seconds
        self.pipe: tuple[int, int] = (-1, -1)
        self.hearing = threading.Lock()

    # Lightning and others ask `getsignal(SIGTERM) not in (None, SIG_DFL)` before they set a handler of their own,
    # which they are to set as if there were none. The bare number 0 is another thing: `signal.getsignal` would take
    # us for SIG_DFL, and the interpreter would not call us
    def __eq__(self, other: object) -> bool:
        return other is self or other is signal.SIG_DFL

    def __hash__(self) -> int:
        return hash(signal.SIG_DFL)

    def __repr__(self) -> str:
        return "<fitscribe's last words before SIG_DFL>"

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Say the last words, and die by the signal; called by another's handler, do as SIG_DFL would: nothing."""
        if not self._in_force():
            return
        if self.process == os.getpid():
            self.began = time.monotonic()
            self._last_words()
        if os.getpid() == 1:  # a container's first process does not die of it, and is to go on
            return
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _in_force(self) -> bool:
        return signal.getsignal(signal.SIGTERM) is self

    def _last_words(self) -> None:
        with guarded("saying that the runs were killed"):
            self.last_words(MOMENT)

    def install(self) -> None:
        """Set the handler, where there is none, and a thread for the time that it cannot run in."""
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self)
        self.pipe = os.pipe()
        for end in self.pipe:
            os.set_blocking(end, False)
        before = signal.set_wakeup_fd(self.pipe[1], warn_on_full_buffer=False)
        if before != -1 or not hasattr(select, "poll"):  # somebody else's, who needs it more; or gevent's `select`
            signal.set_wakeup_fd(before)
            self._close()
            return
        threading.Thread(target=self._listen, args=self.pipe[:1], name="fitscribe signals", daemon=True).start()

    def _close(self) -> None:
        ends, self.pipe = self.pipe, (-1, -1)
        for end in ends:
            os.close(end)

    def _listen(self, end: int) -> None:
        with guarded("listening for signals"):
            coming, answered = select.poll(), 0.0
            coming.register(end, select.POLLIN)
            while coming.poll() and self.hear():
                if self.told > answered:
                    answered = self.told
                    self._stand_in()
                time.sleep(BREATH)

    def hear(self) -> bool:
        """Take what came through the pipe, in whichever thread asks first; False: it is closed."""
        with self.hearing:
            try:
                heard = os.read(self.pipe[0], 4096)
            except BlockingIOError:
                return True
            if signal.SIGTERM in heard:
                self.told = time.monotonic()
        return bool(heard)

    def _stand_in(self) -> None:
        """Give the main thread time to run the handler; do its work where it does not come to it."""
        time.sleep(PROMPT)
        if os.getpid() == 1 or not self._in_force():
            return
        if self.began:
            time.sleep(MOMENT + PROMPT)
        else:  # on a thread of its own: a lock, or a disk, that never lets go must not keep the process alive
            words = threading.Thread(target=self._last_words, name="fitscribe last words", daemon=True)
            words.start()
            words.join(MOMENT + PROMPT)
        _die()

    def leave(self) -> None:
        """In a forked child: nothing of ours is left, and SIGTERM does there what it always did."""
        if self._in_force():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.pipe[1] != -1:
            before = signal.set_wakeup_fd(-1)
            if before not in (-1, self.pipe[1]):
                signal.set_wakeup_fd(before)
            self._close()


def _die() -> None:
    """Die by SIGTERM from a thread, which Python does not let set a signal's action."""
    with guarded("ending by SIGTERM"):
        import ctypes

        libc = ctypes.CDLL(None)
        libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        libc.signal(signal.SIGTERM, None)  # SIG_DFL is 0
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PROMPT)
    os._exit(128 + signal.SIGTERM)


_watch: _Watch | None = None
_forks_watched = False


def watch(last_words: Callable[[float], object]) -> None:
    """From the first run on that begins in the main thread, let SIGTERM call `last_words(seconds)` before it kills."""
    global _watch
    if _watch is not None or os.name == "nt":  # on Windows SIGTERM ends a process without asking it
        return
    if threading.current_thread() is not threading.main_thread():
        return
    with guarded("watching for SIGTERM"):
        _watch = _Watch(last_words)
        _watch_forks()
        _watch.install()


def told() -> bool:
    """True when SIGTERM came, whoever handled it."""
    if _watch is None:
        return False
    quietly(_watch.hear, default=False)  # its thread may not have come to it yet, or there is none
    return bool(_watch.told or _watch.began)


def remain_interrupted() -> None:
    """Let a process that Ctrl-C ended die of it, as it would without us.

    The interpreter remembers an unhandled KeyboardInterrupt until anybody evaluates a text, as `namedtuple` does in
    what delivery imports.
    """
    try:
        exec("raise KeyboardInterrupt")
    except KeyboardInterrupt:
        return


def _watch_forks() -> None:
    global _forks_watched
    if not _forks_watched:
        _forks_watched = True
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)


_masks = threading.local()


def _before_fork() -> None:
    """Hold SIGTERM back: in a child that is not told apart yet it would speak for its parent."""
    _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _masks.before)


def _in_child() -> None:
    global _watch
    left, _watch = _watch, None
    with guarded("leaving the parent's signals to it"):
        if left is not None:
            left.leave()
    _after_fork()
