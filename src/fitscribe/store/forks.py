"""Forks: a database lets go of its connections before the process is doubled, and opens new ones after.

SQLite's locks belong to a process, and the child's copy of the library takes the parent's for its own. So no
connection may cross a fork, not even one that nobody uses.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Gate", "watch"]

PATIENCE = 10.0  # seconds that a fork waits for transactions in progress, which take milliseconds


class Gate:
    """Lets transactions through, and none while a fork is on its way."""

    def __init__(self) -> None:
        """Stand open."""
        self._condition = threading.Condition()
        self._inside = 0
        self._forks = 0

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Hold this around everything that uses a connection."""
        with self._condition:
            self._condition.wait_for(lambda: not self._forks)
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    def shut(self) -> bool:
        """Keep others out and wait until nobody is inside; False if somebody stays."""
        with self._condition:
            self._forks += 1
            return self._condition.wait_for(lambda: not self._inside, PATIENCE)

    def open(self) -> None:
        """Take back one `shut`."""
        with self._condition:
            self._forks -= 1
            self._condition.notify_all()


class Forking(Protocol):
    """What can be carried over a fork."""

    gate: Gate

    def close(self) -> None:
        """Let go of all connections."""

    def renew(self) -> None:
        """In the child: forget locks and connections of the parent without touching them."""


_watched: weakref.WeakSet[Forking] = weakref.WeakSet()
_shut: list[Forking] = []
"""What the fork in progress keeps shut; a database that comes while it waits for others is none of them."""
_once = threading.Lock()
_hooked = False


def watch(database: Forking) -> None:
    """See a database over every fork of this process from now on."""
    global _hooked
    with _once:
        _watched.add(database)
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
            _hooked = True


def _before() -> None:
    for database in list(_watched):
        _shut.append(database)
        if database.gate.shut():
            database.close()


def _in_parent() -> None:
    while _shut:
        _shut.pop().gate.open()


def _in_child() -> None:
    global _once
    _once = threading.Lock()
    _shut.clear()
    for database in list(_watched):
        database.renew()
