"""A fake endpoint: a small tracking server on loopback that remembers every request, and fails when told to."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from fitscribe.testing.ledger import Ledger

__all__ = ["Endpoint", "Request", "Trouble"]

HTML = b"<!doctype html><title>Something else</title><p>This is no tracking server."


class Request(NamedTuple):
    """A request as it came: the path without its query; a JSON body or a query as a dict, else bytes."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]


class Trouble(msgspec.Struct):
    """How requests fail; see `Endpoint.trouble`."""

    kind: str
    path: str = ""  # only requests whose path contains this
    times: int = 1
    seconds: float = 0.0
    status: int = 503
    headers: dict[str, str] = {}
    body: Any = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (ConnectionError, ssl.SSLError):  # a client that gave up waiting is not our trouble
            self.close_connection = True

    def _serve(self) -> None:
        self.server.endpoint.serve(self)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve

    def log_message(self, *_: object) -> None:
        return None

    def answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        """Write one answer, in one piece: a body written apart waits for the client's delayed ACK."""
        head = [f"HTTP/1.1 {status} .", f"Content-Length: {len(content)}", *(f"{k}: {v}" for k, v in headers.items())]
        self.wfile.write("\r\n".join([*head, "", ""]).encode() + content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    endpoint: Endpoint


class Endpoint:
    """`with Endpoint() as endpoint:` serves `endpoint.uri` until the block ends.

    What was written stands in `endpoint.ledger` (experiments, runs, artifacts), what was asked in `endpoint.requests`.
    A function in `endpoint.rules` may answer a request instead, with a status and a body: limits, poison.
    """

    def __init__(
        self,
        artifacts: str = "mlflow-artifacts:",
        absent: tuple[str, ...] = (),
        ledger: Any = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`artifacts` is the root of artifact URIs; paths that contain a word of `absent` are not served.

        `ledger` is what answers instead of a tracking server's, such as a `Receiver`. With `tls` it speaks HTTPS.
        """
        self.ledger: Any = ledger or Ledger(artifacts)
        self.absent = absent
        self.requests: list[Request] = []
        self.troubles: list[Trouble] = []
        self.rules: list[Callable[[Request], tuple[int, Any] | None]] = []
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.endpoint = self
        if tls is not None:  # the handshake is for the thread that serves
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._scheme = "https" if tls else "http"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def trouble(self, kind: str, path: str = "", **how: Any) -> None:
        """Let requests whose path contains `path` fail, the next one or the next `times`.

        `answer`: with `status`, `headers` and `body`, not doing anything. `after`: the same, but it was done.
        `drop`: not done, the connection is closed. `drop-after`: done, the connection is closed. `delay`: done,
        `seconds` late. `hang`: no answer until the endpoint closes. `html`: a page of another server.
        """
        self.troubles.append(Trouble(kind, path, **how))

    def paths(self) -> list[str]:
        """Return `METHOD tail-of-path` of every request so far, for comparing."""
        return [
            f"{each.method} {each.path.removeprefix('/api/2.0/').removeprefix('mlflow/')}" for each in self.requests
        ]

    def serve(self, handler: _Handler) -> None:
        """Answer one request, or fail as told."""
        request = _read(handler)
        with self._lock:
            self.requests.append(request)
            trouble = next((t for t in self.troubles if t.times > 0 and t.path in request.path), None)
            if trouble:
                trouble.times -= 1
        if trouble is None or trouble.kind in ("after", "drop-after", "delay"):
            if trouble:
                time.sleep(trouble.seconds)
            status, body = self._handled(request)
            if trouble is None or trouble.kind == "delay":
                return handler.answer(status, *_packed(body))
        return self._fail(handler, trouble)

    def _handled(self, request: Request) -> Any:
        if any(word in request.path for word in self.absent):
            return 404, HTML
        for rule in self.rules:
            if answer := rule(request):
                return answer
        with self._lock:
            return self.ledger.handle(request.method, request.path, request.body)

    def _fail(self, handler: _Handler, trouble: Trouble) -> None:
        if trouble.kind in ("answer", "after"):
            content, headers = _packed(trouble.body)
            return handler.answer(trouble.status, content, {**headers, **trouble.headers})
        if trouble.kind == "html":
            return handler.answer(404, HTML, {"Content-Type": "text/html"})
        if trouble.kind == "hang":
            self._released.wait()
        handler.close_connection = True
        return None

    def close(self) -> None:
        """Stop serving; from now on connections are refused."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Endpoint:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def _read(handler: _Handler) -> Request:
    parts = urlsplit(handler.path)
    length = handler.headers.get("Content-Length")
    content = handler.rfile.read(int(length)) if length else b""
    body: Any = content
    if handler.headers.get("Content-Type") == "application/json" and "/artifacts/" not in parts.path:
        body = msgspec.json.decode(content)
    elif parts.query:
        body = {key: values if len(values) > 1 else values[0] for key, values in parse_qs(parts.query).items()}
    return Request(handler.command, unquote(parts.path), body, dict(handler.headers.items()))


def _packed(body: Any) -> tuple[bytes, dict[str, str]]:
    if isinstance(body, bytes):
        return body, {"Content-Type": "text/html" if body == HTML else "application/octet-stream"}
    return msgspec.json.encode(body), {"Content-Type": "application/json"}
