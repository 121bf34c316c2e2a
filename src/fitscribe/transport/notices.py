"""Notices of a store's outbox on their way to webhooks: signed, in the background, again and again until one is taken.

Whoever makes a change sends what it leaves to send, bounded at exit; the next process in the folder, or
`fitscribe sync`, takes what is left. A notice may arrive twice, under the same delivery id.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import hashlib
import hmac
import os
import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fitscribe.config import settings
from fitscribe.guard import guarded, log, warn_once
from fitscribe.undivided import undivided

if TYPE_CHECKING:
    from fitscribe.store.database import Database
    from fitscribe.store.registry.notices import Notice

__all__ = ["Notifier", "leave", "listeners", "notifier", "signature"]

REFUSED = (400, 405, 410, 413, 422)  # the next notice gets its turn; with any other status this one waits
FIRST, LONGEST = 1.0, 3600.0  # seconds between two attempts
REQUEST = 10.0  # seconds that a receiver may take
LEASE = 60.0  # seconds in which nobody else sends what one process is about to send


def listeners() -> list[tuple[str, bool]]:
    """Return the URLs that the settings name, and whether notices to them are signed."""
    found = settings()
    return [(url, bool(found.webhook_secret)) for url in found.webhook_url.replace(",", " ").split()]


def signature(secret: str, delivery_id: str, moment: str, body: str) -> str:
    """Return what a receiver compares with the header X-MLflow-Signature; `moment` in seconds since 1970."""
    signed = hmac.new(secret.encode(), f"{delivery_id}.{moment}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


class Notifier:
    """Sends what waits in one store's outbox."""

    def __init__(self, database: Database) -> None:
        """Begin with the first `wake`."""
        self._database = database
        self._woken = threading.Event()
        self._sending = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._skipped: set[str] = set()

    def wake(self) -> None:
        """Let the background send what is due; where no thread can be started any more, `leave` does it."""
        self._woken.set()
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="fitscribe-notices", daemon=True)
                with contextlib.suppress(RuntimeError):  # the interpreter is about to end
                    thread.start()
                    self._thread = thread

    def _run(self) -> None:
        """Send until nothing waits."""
        pause = 0.0
        with guarded("telling webhooks"):
            while not self._done():
                self._woken.wait(pause)
                self._woken.clear()
                with self._sending:
                    sent = self.round(REQUEST)
                pause = 0.0 if sent else min(60.0, max(FIRST, 2 * pause))

    def _done(self) -> bool:
        """Let go when nothing waits; under the lock of `wake`, or what comes just now would find nobody."""
        with self._starting:
            if self._left():
                return False
            self._thread = None
            self._database.close()
            return True

    def waiting(self) -> int:
        """Return how many notices wait, those too that this process cannot sign."""
        from fitscribe.store.registry import notices

        return notices.waiting(self._database)

    def _left(self) -> int:
        from fitscribe.store.registry import notices

        return notices.waiting(self._database, list(self._skipped))

    def round(self, seconds: float, *, at_once: bool = False) -> int:
        """Send the first notice to each receiver that is due, or `at_once`; return how many were taken or refused."""
        from fitscribe.store.registry import notices

        settled, end = 0, time.monotonic() + seconds
        for notice in notices.claimed(self._database, LEASE, list(self._skipped), all_due=at_once):
            left = end - time.monotonic()
            settled += self._send(notice, max(0.5, min(REQUEST, left)))
        return settled

    def _send(self, notice: Notice, seconds: float) -> bool:
        from fitscribe.store.registry import notices

        secret = self._secret(notice)
        if notice.signed and not secret:
            self._skipped.add(notice.url)  # somebody else has the secret
            notices.put_off(self._database, notice, "this process does not have the secret to sign it", 0.0)
            return False
        status, words, asked = _post(notice, secret, seconds)
        if 200 <= status < 300:
            notices.sent(self._database, notice)
        elif status in REFUSED:
            notices.refused(self._database, notice, words)
            log().warning("the webhook at %s refused a notice: %s", _shown(notice.url), words)
        else:
            wait = min(LONGEST, FIRST * 2**notice.attempts) * random.uniform(0.5, 1.0)
            notices.put_off(self._database, notice, words, max(wait, asked))
            warn_once("the webhook at %s: %s; what it is to be told is kept and sent later", _shown(notice.url), words)
            return False
        return True

    def _secret(self, notice: Notice) -> str:
        if notice.webhook_id:
            with contextlib.suppress(OSError):
                return self._database.secrets.read(notice.webhook_id)
            return ""
        return settings().webhook_secret if notice.url in [url for url, _ in listeners()] else ""

    def settle(self, seconds: float, *, at_once: bool = False) -> int:
        """Send what is due, here and now, within so many seconds; return how many notices are left."""
        end = time.monotonic() + seconds
        if not self._sending.acquire(timeout=max(0.0, seconds)):
            return self.waiting()
        try:
            sent = self.round(seconds, at_once=at_once)
            while sent and time.monotonic() < end:
                sent = self.round(end - time.monotonic())
        finally:
            self._sending.release()
        return self.waiting()

    def close(self) -> None:
        """Close the database; what comes later opens it again."""
        self._database.close()


def _post(notice: Notice, secret: str, seconds: float) -> tuple[int, str, float]:
    """Return the status, what to say of it, and for how many seconds the receiver wants to be left alone."""
    with undivided:
        import requests

    moment = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "X-MLflow-Delivery-Id": notice.delivery_id,
        "X-MLflow-Timestamp": moment,
    }
    if secret:
        headers["X-MLflow-Signature"] = signature(secret, notice.delivery_id, moment, notice.body)
    try:
        with requests.post(
            notice.url, notice.body.encode(), headers=headers, timeout=seconds, allow_redirects=False, stream=True
        ) as answer:
            after: Any = answer.headers.get("Retry-After", "")
            wait = float(after) if after.isdigit() else 0.0
            return answer.status_code, f"it answered with status {answer.status_code}", min(wait, LONGEST)
    except (requests.RequestException, OSError, ValueError) as error:
        return 0, f"{type(error).__name__} while it was told", 0.0


def _shown(url: str) -> str:
    """Return the receiver without what may be a secret in its address: user, path and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}"


_notifiers: dict[tuple[int, Path], Notifier] = {}


def notifier(directory: Path) -> Notifier:
    """Return the one that sends for the store in a folder, in this process."""
    from fitscribe.store.database import Database

    key = (os.getpid(), directory)
    if key not in _notifiers:
        _notifiers.setdefault(key, Notifier(Database(directory)))
    return _notifiers[key]


def leave(seconds: float | None = None) -> None:
    """Send what is due, bounded, and say what is left to others."""
    limit = settings().exit_patience if seconds is None else seconds
    for (process, directory), each in list(_notifiers.items()):
        if process != os.getpid() or not directory.is_dir():
            continue
        with guarded("the last notices to webhooks"):
            left = each.settle(limit)
            each.close()
            if left:
                warn_once(
                    "%d notices to webhooks wait in %s; the next process there, or `fitscribe sync`, sends them",
                    left,
                    directory,
                )


atexit.register(leave)
