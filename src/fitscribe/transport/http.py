"""HTTP as a transport: one keep-alive session per endpoint, shared by the delivery threads."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import mimetypes
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec

from fitscribe.config import settings, without_credentials
from fitscribe.errors import TransportError
from fitscribe.transport import BROKEN, Answer
from fitscribe.transport.authorization import authorization
from fitscribe.undivided import undivided

if TYPE_CHECKING:
    import requests

__all__ = ["Http"]

ONCE = ("/create", "/log-model", "/outputs")  # ends of POST paths that must not be sent twice
REDIRECTS = (301, 302, 303, 307, 308)
DOWNLOAD = "/mlflow-artifacts/artifacts/"
LATER = 60.0  # seconds before a redirect to somewhere else is asked again


class Http:
    """Requests to one tracking URI. `requests` is imported, and a connection opened, by the first one."""

    def __init__(self, uri: str, timeout: float | None = None) -> None:
        """Take a canonical URI; `timeout` in seconds, for connecting and for each wait, else `settings().timeout`."""
        self.uri = without_credentials(uri)
        self.moved = 0.0  # monotonic seconds of the last sign of life, in either direction
        self._given, self._timeout = uri, timeout
        self._session: requests.Session | None = None
        self._opening = threading.Lock()

    def send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None = None) -> Answer:
        """Send one request; see `Transport.send`. A connection that went stale is replaced once, at once."""
        with undivided:
            import requests

            from fitscribe.transport.failures import failure, stale

        tries = 1 if method == "POST" and path.endswith(ONCE) else 2
        while True:
            tries -= 1
            try:
                return self._send(method, path, body)
            except requests.RequestException as error:
                if not tries or not stale(error):
                    raise failure(self.uri, error, self._seconds()) from None

    def close(self) -> None:
        """Close the connections; a later `send` opens new ones."""
        with self._opening:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None) -> Answer:
        url = self.uri + path
        if method == "GET" and isinstance(body, dict):
            url, body = f"{url}?{_query(body)}", None
        for _ in range(4):
            with _payload(body, self._uploading) as data:
                response = self._opened().request(
                    method,
                    url,
                    data=data,
                    headers=_content(path, body),
                    timeout=(min(10.0, self._seconds()), self._seconds()),
                    allow_redirects=False,
                )
            if response.status_code not in REDIRECTS:
                break
            url = self._redirected(url, response.headers.get("Location", ""))
        if response.status_code < BROKEN:
            self.moved = time.monotonic()
        raw = method == "GET" and (DOWNLOAD in path or "attachment" in response.headers.get("Content-Disposition", ""))
        return Answer(response.status_code, response.content if raw else _parsed(response.content), response.headers)

    def _redirected(self, url: str, location: str) -> str:
        """Follow within the host only: credentials and data are for nobody else. The method stays what it was."""
        here, there = urlsplit(url), urlsplit(urljoin(url, location))
        upgraded = (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname
        if location and (upgraded or (here.scheme, here.netloc) == (there.scheme, there.netloc)):
            return there.geturl()
        elsewhere = f"{there.scheme}://{there.hostname}" if there.hostname else "nowhere"
        raise TransportError(
            f"{self.uri}: redirects to {elsewhere}, which is not followed; "
            "a login page? set the tracking URI to the server's own address",
            wait=LATER,
        )

    def _uploading(self) -> None:
        self.moved = time.monotonic()

    def _seconds(self) -> float:
        return self._timeout or settings().timeout

    def _opened(self) -> requests.Session:
        with self._opening:
            if self._session is None:
                with undivided:
                    from fitscribe.transport.session import new_session

                self._session = new_session(self.uri, authorization(self._given), f"fitscribe/{_version()}")
            return self._session


class _Upload:
    """A file that says, with each block read, that the upload moves; its length spares us chunked encoding."""

    def __init__(self, file: BinaryIO, moving: Any) -> None:
        self.file, self.moving, self.size = file, moving, os.fstat(file.fileno()).st_size

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.file)

    def read(self, size: int = -1) -> bytes:
        self.moving()
        return self.file.read(size)


@contextlib.contextmanager
def _payload(body: dict[str, Any] | bytes | Path | None, moving: Any) -> Iterator[Any]:
    if isinstance(body, Path):
        with body.open("rb") as file:
            upload = _Upload(file, moving)
            yield upload if upload.size else b""
    else:
        yield msgspec.json.encode(body) if isinstance(body, dict) else body


def _content(path: str, body: object) -> dict[str, str]:
    if body is None:
        return {}
    kind = "application/json"
    if not isinstance(body, dict):
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"Content-Type": kind}


def _query(values: dict[str, Any]) -> str:
    words = {True: "true", False: "false"}
    given = {k: words[v] if isinstance(v, bool) else v for k, v in values.items() if v is not None}
    return urlencode(given, doseq=True)


def _parsed(content: bytes) -> Any:
    if content.lstrip()[:1] != b"{":
        return content
    for parse in (msgspec.json.decode, json.loads):  # the second takes the bare NaN that servers do send
        with contextlib.suppress(ValueError):
            return parse(content)
    return content


def _version() -> str:
    try:
        return importlib.metadata.version("fitscribe")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
