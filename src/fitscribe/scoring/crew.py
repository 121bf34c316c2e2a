"""Threads that predict beside the event loop: as many as told, and none of them keeps a stopped server alive."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

from fitscribe.guard import outcome
from fitscribe.scoring.refusals import BUSY, Refusal

__all__ = ["Crew"]

WAITING = 1000  # requests that may wait for a thread
Job: TypeAlias = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[[], Any]]


class Crew:
    """At most `size` daemon threads; an executor's would be waited for at exit, however long a prediction takes."""

    def __init__(self, size: int | None = None) -> None:
        """Start no thread yet."""
        self.size = size or min(32, (os.cpu_count() or 1) + 4)
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._threads = 0

    async def run(self, function: Callable[[], Any]) -> Any:
        """Return what `function` returns in one of the threads, or raise what it raises.

        Whoever is cancelled while it waits gives up its turn. `Refusal` (503): too many wait already.
        """
        if self._jobs.qsize() >= WAITING:
            raise Refusal(f"{WAITING} requests wait already; try again later", BUSY)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._jobs.put((loop, done, function))
        if self._threads < self.size:
            self._threads += 1
            threading.Thread(target=self._work, name="fitscribe-predict", daemon=True).start()
        return await done

    def _work(self) -> None:
        while True:
            loop, done, function = self._jobs.get()
            if not done.cancelled():
                result = outcome(_called, function)
                outcome(loop.call_soon_threadsafe, _settle, done, result)  # it raises when the loop is over
            del done, function  # a thread that waits holds no request's data


def _called(function: Callable[[], Any]) -> Any:
    try:
        return function()
    except SystemExit as error:  # of a model; it would end this thread, and leave its client waiting
        raise Refusal(f"the model called sys.exit({error.code!r})") from error


def _settle(done: asyncio.Future[Any], result: Any) -> None:
    if done.cancelled():
        return
    if isinstance(result, Exception):
        done.set_exception(result)
    else:
        done.set_result(result)
