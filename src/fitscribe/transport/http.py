"""HTTP as a transport: one keep-alive session per endpoint, shared by the delivery threads."""

from __future__ import annotations

import contextlib
import importlib.metadata
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from fitscribe.config import afresh, settings, without_credentials
from fitscribe.errors import MisuseError, TransportError
from fitscribe.transport import Answer, lives
from fitscribe.transport.authorization import headers_for
from fitscribe.transport.bodies import content_type, payload, query, work
from fitscribe.transport.discretion import Discretion
from fitscribe.transport.saving import saved
from fitscribe.undivided import undivided

if TYPE_CHECKING:
    import requests

__all__ = ["Http"]

ONCE = ("/create", "/rename", "/delete", "/log-model", "/outputs", "/logged-models", "/webhooks")
"""Ends of POST paths that must not be sent twice unseen: the second time they make another one, or find nothing."""
FILES = "/mlflow-artifacts/"  # of which a file that is gone is as good as deleted

REDIRECTS = (301, 302, 303, 307, 308)
DOWNLOAD = "/mlflow-artifacts/artifacts/"
SPARED = 10  # connections that may be found spoilt before a request is sent
LATER = 60.0  # seconds before a redirect to somewhere else is asked again


class Http:
    """Requests to one tracking URI. `requests` is imported, and a connection opened, by the first one."""

    def __init__(self, uri: str, timeout: float | None = None) -> None:
        """Take a canonical URI; `timeout` in seconds, for connecting and for each wait, else `settings().timeout`."""
        self.uri = without_credentials(uri)
        self.moved = 0.0  # monotonic seconds of the last sign of life, in either direction
        self.requests = self.sent = self.received = 0  # so far; bytes with headers, before encryption
        self._given, self._timeout = uri, timeout
        self._session: requests.Session | None = None
        self._discretion = Discretion([uri])
        self._opening = threading.Lock()

    def send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None = None, kind: str = "") -> Answer:
        """Send one request; see `Transport.send`. A connection that went stale is replaced once, at once.

        A body of bytes is of the media type `kind`, or of what the path looks like.
        """
        with undivided:
            import urllib3

            from fitscribe.transport.failures import failure, stale, unasked

        once = path.endswith(ONCE) if method == "POST" else method == "DELETE" and FILES not in path
        tries, spared = 1 if once else 2, SPARED
        while True:
            tries -= 1
            try:
                return self._send(method, path, body, kind)
            except (OSError, UnicodeError, urllib3.exceptions.HTTPError) as error:
                if getattr(error, "filename", None):  # of the file that was to be sent
                    raise
                if unasked(error) and spared:
                    tries, spared = tries + 1, spared - 1
                elif not tries or not stale(error):
                    raise failure(self.uri, error, self._seconds(), self._discretion.text) from None

    def close(self) -> None:
        """Close the connections; a later `send` opens new ones."""
        with self._opening:
            session, self._session = self._session, None
        if session is not None:
            session.close()

    def _send(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None, kind: str) -> Answer:
        url = self.uri + path
        if method == "GET" and isinstance(body, dict):
            url, body = f"{url}?{query(body)}", None
        if method == "GET" and isinstance(body, Path):
            return self._saved(url, body)
        response = self._asked(method, url, body, {"Content-Type": kind} if kind else content_type(path, body))
        raw = method == "GET" and (DOWNLOAD in path or "attachment" in response.headers.get("Content-Disposition", ""))
        if raw and response.status_code < 300:
            return Answer(response.status_code, response.content, response.headers)
        return self._answer(response)

    def _answer(self, response: requests.Response) -> Answer:
        from fitscribe.transport.answering import parsed

        content = response.content
        if response.status_code >= 400:  # some servers repeat what they were sent
            content = self._discretion.content(content)
        body = parsed(content)
        if response.status_code < 300 and isinstance(body, bytes) and body.lstrip()[:1] == b"{":
            raise TransportError(f"{self.uri}: the answer broke off after {len(body)} bytes")
        return Answer(response.status_code, body, response.headers)

    def _saved(self, url: str, file: Path) -> Answer:
        """Let the body of the answer go to a file; without compression, so that the rest of it can be asked for."""

        def ask(headers: Mapping[str, str]) -> requests.Response:
            return self._asked("GET", url, None, {"Accept-Encoding": "identity", **headers}, stream=True)

        answer = saved(ask, file, self._uploading)
        if answer.status_code < 300:
            return Answer(answer.status_code, file, answer.headers)
        return self._answer(answer)

    def _asked(
        self, method: str, url: str, body: object, headers: Mapping[str, str], *, stream: bool = False
    ) -> requests.Response:
        """Ask, and ask again with another credential if there is one by now: tokens expire."""
        response = self._followed(method, url, body, headers, stream)
        if response.status_code == 401 and self._renewed(response.request.headers):
            response = self._followed(method, url, body, headers, stream)
        page = "text/html" in response.headers.get("Content-Type", "") and DOWNLOAD not in url  # a login's, perhaps
        if lives(response.status_code) and not page:
            self.moved = time.monotonic()
        return response

    def _followed(
        self, method: str, url: str, body: object, headers: Mapping[str, str], stream: bool
    ) -> requests.Response:
        for _ in range(4):
            response = self._once(method, url, body, headers, stream)
            if response.status_code not in REDIRECTS:
                break
            url = self._redirected(url, response.headers.get("Location", ""))
        return response

    def _once(self, method: str, url: str, body: object, headers: Mapping[str, str], stream: bool) -> requests.Response:
        from fitscribe.transport.answering import traffic, whole

        session = self._opened()
        self.requests += 1
        with payload(body, self._uploading) as data:
            response = session.request(
                method,
                url,
                data=data,
                headers=headers,
                timeout=(min(10.0, self._seconds()), self._seconds() + work(body, stream)),
                allow_redirects=False,
                stream=True,
            )
        raw = response.raw
        try:
            return whole(response, stream)
        finally:
            sent, received = traffic(raw)
            self.sent, self.received = self.sent + sent, self.received + received

    def _redirected(self, url: str, location: str) -> str:
        """Follow within the host only: credentials and data are for nobody else. The method stays what it was."""
        here, there = urlsplit(url), urlsplit("")
        with contextlib.suppress(ValueError):
            there = urlsplit(urljoin(url, location))
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

                session = new_session(self.uri, f"fitscribe/{_version()}")
                self._carry(session, headers_for(self._given, settings()))
                self._session = session
            return self._session

    def _carry(self, session: requests.Session, headers: Mapping[str, str]) -> None:
        """Let requests carry headers from here on, and nobody see them elsewhere."""
        session.headers.update(headers)
        self._discretion = Discretion([self._given, *session.proxies.values()], headers)

    def _renewed(self, sent: Mapping[str, str]) -> bool:
        """Read what credentials there are anew; False when they are those that a request was sent with."""
        try:
            headers = headers_for(self._given, afresh())
        except MisuseError:  # of another setting
            return False
        if all(sent.get(name) == value for name, value in headers.items()):
            return False
        with self._opening:
            if self._session is not None:
                self._carry(self._session, headers)
        return True


def _version() -> str:
    try:
        return importlib.metadata.version("fitscribe")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
