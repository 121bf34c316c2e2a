"""An endpoint that is asked and answers: patience within a limit, and errors in plain words."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from fitscribe.config import Settings, directory_of, settings, without_credentials
from fitscribe.errors import MisuseError, TransportError
from fitscribe.reading.refusals import refusal, words_of
from fitscribe.transport import Answer, Transport, Unsent

__all__ = ["Deadline", "Endpoint", "close_transports", "open_transport"]

API = "/api/2.0/mlflow/"
LATER = (408, 425, 429, 500, 502, 503, 504)
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0

Look: TypeAlias = Callable[[], dict[str, Any] | None]

_open: dict[tuple[str, int], tuple[Settings, Transport]] = {}


def open_transport(uri: str) -> Transport:
    """Return the road to a canonical tracking URI; one per URI and process, shared by all clients.

    When settings have changed (another credential, another timeout), a new one replaces it.
    """
    key, found = (uri, os.getpid()), settings()  # sockets and database connections do not survive a fork
    made_for, road = _open.get(key, (None, None))
    if road is None or made_for != found:
        if road is not None:
            road.close()
        road = _transport(uri)
        _open[key] = found, road
    return road


def _transport(uri: str, seconds: float = 0.0) -> Transport:
    directory = directory_of(uri)
    if directory is not None:
        from fitscribe.transport.local import Local

        return Local(directory)
    if urlsplit(uri).scheme not in ("http", "https"):
        raise MisuseError(
            f"{without_credentials(uri)} takes what is recorded and cannot be asked for it; what reads (search_runs, "
            "get_run, load_model, ...) needs a tracking URI http(s)://host:port, or a folder"
        )
    from fitscribe.transport.http import Http

    return Http(uri, timeout=seconds or settings().read_timeout)


def close_transports() -> None:
    """Let go of the connections and files that reads opened; a later read opens them again."""
    for key in [key for key in _open if key[1] == os.getpid()]:
        _open.pop(key)[1].close()


class Deadline:
    """A moment that one call may wait until, over all its attempts."""

    def __init__(self, seconds: float) -> None:
        """Begin to count now."""
        self.seconds, self._end = seconds, time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    def fresh(self) -> bool:
        """Whether most of the time is still left."""
        return self.left() > 0.8 * self.seconds

    def pause(self, attempt: int, asked: float = 0.0) -> bool:
        """Sleep before another attempt: longer each time, and as long as the endpoint asked; False: no time left."""
        wait = max(asked, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) * random.uniform(0.5, 1.0))
        if wait >= self.left():
            return False
        time.sleep(wait)
        return True


class Endpoint:
    """One tracking endpoint. Safe to use from several threads."""

    def __init__(self, uri: str, transport: Transport | None = None) -> None:
        """Take a canonical URI; nothing is opened before the first question."""
        self.uri, self._transport = uri, transport

    @property
    def given(self) -> Transport | None:
        """The road that was given, if the one to the URI is not to be taken."""
        return self._transport

    @property
    def clean_uri(self) -> str:
        """The URI as it may be shown: without credentials."""
        return without_credentials(self.uri)

    @property
    def directory(self) -> Path | None:
        """The folder of an embedded store; None for a server."""
        return directory_of(self.uri)

    @property
    def shares_disk(self) -> bool:
        """Whether paths that the endpoint names are paths of this machine."""
        host = urlsplit(self.uri).hostname or ""
        return self.directory is not None or host in ("localhost", "::1") or host.startswith("127.")

    @property
    def transport(self) -> Transport:
        """The road to it."""
        return self._transport or open_transport(self.uri)

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        what: str = "",
        done: str = "",
        deadline: Deadline | None = None,
        again: Look | None = None,
    ) -> dict[str, Any]:
        """Send a request of the protocol, `path` such as `runs/get`, and return its JSON answer.

        `what` is what a 404 means to the caller ("run 3f2…"). `done` is an error code that means success when it
        answers a repeated request: the first one had worked after all, and the answer is then empty. `again` is for
        what must not be done twice: it looks, before a request is repeated that may have arrived, and returns the
        answer if it finds what was to be made.
        `NotFoundError`, `FilterError`, `ServerError`: the endpoint said no. `TransportError`: no answer in time.
        """
        request = {name: value for name, value in (body or {}).items() if value is not None}
        answer, repeated = self.send(method, API + path, request, deadline, again)
        if answer.status < 300 and (isinstance(answer.body, dict) or not answer.body):
            return answer.body or {}
        if repeated and done and words_of(answer)[0] == done:
            return {}
        raise refusal(answer, f"{method} {API}{path}", self.clean_uri, what, request)

    def send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | Path | None,
        deadline: Deadline | None = None,
        again: Look | None = None,
    ) -> tuple[Answer, bool]:
        """Send until an answer is final; return it, and whether an earlier attempt may have reached the endpoint.

        `TransportError`: nothing but failures that may pass, until the deadline or for `settings().read_timeout`.
        """
        deadline = deadline or Deadline(settings().read_timeout)
        attempt, repeated = 0, False
        while True:
            if repeated and again is not None and (found := again()) is not None:
                return Answer(200, found), True
            try:
                answer = self._once(method, path, body, deadline)
            except TransportError as error:
                trouble, wait = str(error), error.wait
                repeated = repeated or not isinstance(error, Unsent)
            else:
                if answer.status not in LATER or words_of(answer)[0] == "INVALID_STATE":
                    return answer, repeated
                trouble, wait = _status_words(answer), _retry_after(answer)
                repeated = repeated or answer.status != 429
            if not deadline.pause(attempt, wait):
                raise TransportError(self._gave_up(f"{method} {path}", deadline, trouble), wait=wait)
            attempt += 1

    def _once(self, method: str, path: str, body: dict[str, Any] | Path | None, deadline: Deadline) -> Answer:
        if self._transport or self.directory or deadline.fresh():
            return self.transport.send(method, path, body)
        # the shared road would wait for the whole read timeout again
        with contextlib.closing(_transport(self.uri, max(0.5, deadline.left()))) as short:
            return short.send(method, path, body)

    def _gave_up(self, request: str, deadline: Deadline, trouble: str) -> str:
        trouble = trouble.removeprefix(f"{self.clean_uri}: ").rstrip(".")
        trouble += "" if trouble.endswith("?") else "."
        advice = (
            "Check the folder and the disk."
            if self.directory
            else "Check that MLFLOW_TRACKING_URI or FITSCRIBE_TRACKING_URI names a server that runs."
        )
        return (
            f"{self.clean_uri} gave no answer to {request} within {deadline.seconds:g} s: {trouble} {advice} "
            "(FITSCRIBE_READ_TIMEOUT sets how many seconds a read may wait.)"
        )


def _status_words(answer: Answer) -> str:
    code, words = words_of(answer)
    return " ".join(part for part in (f"HTTP {answer.status}", code, words) if part)


def _retry_after(answer: Answer) -> float:
    for name, value in answer.headers.items():
        if name.lower() == "retry-after" and value.strip().isdigit():
            return float(value)
    return 0.0
