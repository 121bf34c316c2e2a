"""The embedded store as a transport: the same requests, answered in this process."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe.config import settings
from fitscribe.guard import guarded
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
        self._noticed = -1

    def send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None = None) -> Answer:
        """Let the store handle one request; a trouble of disk or database is an answer with status 500 or 503."""
        self._busy += 1
        try:
            status, content = self._opened().handle(method, path, body)
        finally:
            self._busy -= 1
        if lives(status):
            self._moved = time.monotonic()
            self._tell()
        return Answer(status, content)

    def _tell(self) -> None:
        """Let webhooks be told of what has changed, and once of what earlier processes left."""
        store = self._store
        if store is None or store.database.noticed == self._noticed:
            return
        first, self._noticed = self._noticed < 0, store.database.noticed
        with guarded("looking for notices to webhooks"):
            if not first or store.database.noticed or store.notices_left():
                with undivided:
                    from fitscribe.transport.notices import notifier

                notifier(self.directory).wake()

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life: a store at work on this machine is alive."""
        return time.monotonic() if self._busy else self._moved

    def _opened(self) -> Store:
        with self._opening:
            if self._store is None:
                with undivided:
                    from fitscribe.store import Store

                self._store, self._noticed = Store(self.directory, local=True, listeners=_listeners()), -1
            return self._store

    def close(self) -> None:
        """Close the store's database; a later `send` opens it again."""
        with self._opening:
            store, self._store = self._store, None
        if store is not None:
            store.close()


def _listeners() -> list[tuple[str, bool]]:
    if not settings().webhook_url:
        return []
    from fitscribe.transport.notices import listeners

    return listeners()
