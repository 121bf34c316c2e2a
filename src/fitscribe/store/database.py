"""The database of a store: opened at the first transaction, one writer at a time, safe over threads and forks."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine

from fitscribe.store import forks, schema, sqlite
from fitscribe.store.secrets import Secrets
from fitscribe.undivided import undivided

__all__ = ["Database"]

_abandoned: list[Engine] = []
"""Engines whose connections were in use at a fork: closing them in the child would disturb the parent's locks."""


class Database:
    """Transactions on `fitscribe.db` in a folder, and the folder of artifacts next to it."""

    def __init__(self, directory: Path, *, local: bool = False, listeners: Sequence[tuple[str, bool]] = ()) -> None:
        """Name the folder; it is made at the first transaction.

        `local`: whoever asks owns this machine's disk. `listeners` are URLs that are told of changes of the registry
        beside its webhooks, and whether they are to be signed.
        """
        self.directory = Path(os.path.abspath(directory))
        self.artifacts = self.directory / "artifacts"
        self.local, self.listeners = local, listeners
        self.secrets = Secrets(self.directory / "secrets")
        self.noticed = 0  # changes that somebody is to be told of
        self._file = self.directory / "fitscribe.db"
        self._identity: tuple[int, int] | None = None
        self._engine: Engine | None = None
        self._closing: weakref.finalize[[], Database] | None = None
        self._locks()

    def _locks(self) -> None:
        self.gate = forks.Gate()
        self._opening = threading.Lock()
        self._writer = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that sees one state of the data throughout."""
        with self.gate.passing(), self._connected(self._opened()) as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction that writes: all of it is done, or nothing.

        In this process writers queue up here, since SQLite's own waiting knows no order.
        """
        with self.gate.passing(), self._writer:
            engine = self._opened().execution_options(writes=True)
            with self._connected(engine) as connection, connection.begin():
                yield connection

    @contextmanager
    def _connected(self, engine: Engine) -> Iterator[Connection]:
        pool = engine.pool
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            if self._engine is None or self._engine.pool is not pool:
                pool.dispose()  # the database was closed meanwhile, and nobody comes for this connection again

    def close(self) -> None:
        """Close all connections: those in use when their transactions end. The next transaction opens new ones."""
        with self._opening:
            engine = self._retired()
        if engine is not None:
            engine.dispose()

    def _retired(self) -> Engine | None:
        engine, self._engine = self._engine, None
        if self._closing is not None:
            self._closing.detach()
        return engine

    def renew(self) -> None:
        """In the child of a fork: forget the parent's locks and connections without touching them."""
        engine = self._retired()
        if engine is not None:
            _abandoned.append(engine)
        self._locks()

    def _opened(self) -> Engine:
        with self._opening:
            if self._engine is not None and self._identity != _identity(self._file):
                self._engine.dispose()  # somebody removed or replaced the folder under us
                self._retired()
            if self._engine is None:
                with undivided:  # a fork in the middle of a migration would leave its child with half of one
                    forks.watch(self)
                    self._engine = self._open()
                self._closing = weakref.finalize(self, self._engine.dispose)  # for who lets go of it without a word
                self._closing.atexit = False
                self._identity = _identity(self._file)
            return self._engine

    def _open(self) -> Engine:
        self.directory.mkdir(parents=True, exist_ok=True)
        ignored = self.directory / ".gitignore"
        if not ignored.exists():
            ignored.write_text("*\n", encoding="utf-8", newline="\n")
        engine = sqlite.engine(self._file)
        try:
            schema.bring_up(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
