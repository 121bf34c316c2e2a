"""The embedded store as a transport: the same requests, answered in this process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe.transport import Answer, lives
from fitscribe.undivided import undivided

if TYPE_CHECKING:
    from fitscribe.store import Store

__all__ = ["Local"]


class Local:
    """Requests to the embedded store in a folder; the store opens at the first one."""

    def __init__(self, directory: Path) -> None:
        """Name the store's folder; it need not exist."""
        self.directory = directory
        self._moved = 0.0
        self._busy = 0
        self._store: Store | None = None
        self._opening = threading.Lock()

    def send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None = None) -> Answer:
        """Let the store handle one request; a trouble of disk or database is an answer with status 500 or 503."""
        self._busy += 1
        try:
            status, content = self._opened().handle(method, path, body)
        finally:
            self._busy -= 1
        if lives(status):
            self._moved = time.monotonic()
        return Answer(status, content)

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life: a store at work on this machine is alive."""
        return time.monotonic() if self._busy else self._moved

    def _opened(self) -> Store:
        with self._opening:
            if self._store is None:
                with undivided:
                    from fitscribe.store import Store

                self._store = Store(self.directory)
            return self._store

    def close(self) -> None:
        """Close the store's database; a later `send` opens it again."""
        with self._opening:
            store, self._store = self._store, None
        if store is not None:
            store.close()
