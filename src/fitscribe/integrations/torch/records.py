"""The run that a thread's trainings and its SummaryWriter share, and when it ends."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any

__all__ = ["Record", "milliseconds"]


def milliseconds() -> int:
    """Return the time, in milliseconds since 1970."""
    return round(time.time() * 1000)


class Record:
    """A run, and who writes to it; one of ours ends when the last of them is done, as of what was said last."""

    def __init__(self, call: Any, name: str) -> None:
        """Take the user's active run, or begin one that outlives the call."""
        with call.run(name) as run:
            self.run = run
            self.ours = call.keep()
        self.process = os.getpid()
        self.writers: set[int] = set()
        self.trained = False  # a training writes to it
        self.at: int | None = None
        self.status = "FINISHED"

    @property
    def open(self) -> bool:
        """True while the run can be written to, from this process."""
        return self.run.ended is None and self.process == os.getpid()

    def say(self, values: dict[str, float], step: int, at: int) -> None:
        """Record metrics, as of a time in milliseconds since 1970."""
        self.at = at
        self.run.log_metrics(values, step=step, at=at)

    def leave(self, writer: int, status: str = "FINISHED") -> None:
        """Say that a writer is done, and how; in the background, since the collector of garbage may ask."""
        self.writers.discard(writer)
        if self.status == "FINISHED":
            self.status = status
        if not self.writers and self.ours and self.open:
            self.run.later(partial(self.run.end, self.status, self.at))
