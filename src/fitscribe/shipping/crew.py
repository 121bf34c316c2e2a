"""The crew: a few daemon threads that deliver the parcels of independent runs side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from fitscribe.guard import guarded

__all__ = ["Crew"]

T = TypeVar("T")

Job = tuple[Callable[[], None], threading.Semaphore]


class Crew(Generic[T]):
    """Threads that are born with the first work for them and wait for more.

    Not `concurrent.futures`: the interpreter waits for its threads at exit, and one of ours may hang in a request.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads = 0

    def each(self, work: Callable[[T], None], things: Iterable[T], hands: int) -> None:
        """Call `work` with each thing, in up to `hands` threads, this one included; return when all are done."""
        waiting: queue.SimpleQueue[T] = queue.SimpleQueue()
        count = 0
        for thing in things:
            waiting.put(thing)
            count += 1

        def until_empty() -> None:
            while not waiting.empty():
                try:
                    thing = waiting.get_nowait()
                except queue.Empty:
                    return
                work(thing)

        helpers = self._hire(min(hands, count) - 1)
        done = threading.Semaphore(0)
        for _ in range(helpers):
            self._jobs.put((until_empty, done))
        until_empty()
        for _ in range(helpers):
            done.acquire()

    def dismiss(self) -> None:
        """Let the threads end."""
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _hire(self, wanted: int) -> int:
        while self._threads < wanted:
            thread = threading.Thread(target=self._work, name="fitscribe crew", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # none may start once the interpreter is about to end
                break
            self._threads += 1
        return max(0, min(wanted, self._threads))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done = job
            with guarded("delivering"):
                work()
            done.release()
