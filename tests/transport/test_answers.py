"""Answers that are cut, doubled, endless or slow, from a server that writes the very bytes it is told to."""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe.errors import TransportError
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

BATCH, CREATE = "/api/2.0/mlflow/runs/log-batch", "/api/2.0/mlflow/runs/create"


def answer(body: bytes, status: int = 200, *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} .", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


class Raw:
    """Serves `respond(connection, number, request)` for each request; connections and requests count from 1."""

    def __init__(self, respond: Callable[[socket.socket, int, bytes], None]) -> None:
        self.respond, self.requests, self.connections = respond, list[bytes](), 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while head := stream.readline():
                length = 0
                while (line := stream.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                self.requests.append(head.split()[1] + b" " + stream.read(length))
                self.respond(connection, len(self.requests), self.requests[-1])


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Raw, Http]]]:
    opened: list[tuple[Raw, Http]] = []

    def start(respond: Callable[[socket.socket, int, bytes], None], timeout: float = 5.0) -> tuple[Raw, Http]:
        raw = Raw(respond)
        opened.append((raw, Http(raw.uri, timeout=timeout)))
        return opened[-1]

    yield start
    for raw, http in opened:
        http.close()
        raw.listening.close()


@pytest.mark.parametrize("pause", [0.0, 0.05])
def test_an_answer_that_came_twice_is_not_taken_for_the_next(
    serve: Callable[..., tuple[Raw, Http]], pause: float
) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        connection.sendall(answer(b'{"number": %d}' % number))
        if number == 1:
            time.sleep(pause)
            connection.sendall(answer(b'{"number": %d}' % number))

    raw, http = serve(respond)
    assert http.send("POST", BATCH, {"n": 1}).body == {"number": 1}
    time.sleep(0.2)
    assert http.send("POST", CREATE, {"n": 2}).body == {"number": 2}
    assert raw.connections == 2


def test_a_second_answer_while_the_next_request_is_on_its_way_is_not_taken_for_its_answer(
    serve: Callable[..., tuple[Raw, Http]], tmp_path: Path
) -> None:
    """The upload is long enough for the doubled answer to arrive between its first and last byte."""
    (tmp_path / "large").write_bytes(b"x" * (24 << 20))

    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        connection.sendall(answer(b'{"number": %d}' % number))
        if number == 1:
            with contextlib.suppress(OSError):
                connection.recv(20_000, socket.MSG_WAITALL)  # the next request begins
                connection.sendall(answer(b'{"number": 1}'))
                time.sleep(0.2)
                while connection.recv(1 << 20):
                    pass

    raw, http = serve(respond)
    assert http.send("POST", BATCH, {"n": 1}).body == {"number": 1}
    assert http.send("PUT", "/large", tmp_path / "large").body == {"number": 2}
    assert raw.connections == 2


def test_two_answers_at_once_to_a_later_request_are_none(serve: Callable[..., tuple[Raw, Http]]) -> None:
    """The first of them may be the late answer to an earlier request: what may be repeated is."""

    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        late = answer(b'{"number": "late"}') if number == 2 else b""
        connection.sendall(late + answer(b'{"number": %d}' % number))

    raw, http = serve(respond)
    assert http.send("POST", BATCH, {"n": 1}).body == {"number": 1}
    assert http.send("POST", BATCH, {"n": 2}).body == {"number": 3}
    assert raw.connections == 2


def test_two_answers_at_once_to_the_creation_of_a_run_leave_it_in_doubt(
    serve: Callable[..., tuple[Raw, Http]],
) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        connection.sendall(answer(b'{"number": "late"}') * (number - 1) + answer(b"{}"))

    raw, http = serve(respond)
    http.send("POST", BATCH, {})
    with pytest.raises(TransportError, match="the endpoint answered twice"):
        http.send("POST", CREATE, {})
    assert len(raw.requests) == 2


def test_an_early_refusal_of_a_large_body_is_heard(serve: Callable[..., tuple[Raw, Http]], tmp_path: Path) -> None:
    """Also on a connection that was used before, where it cannot be told from a late answer at first."""
    (tmp_path / "large").write_bytes(b"x" * (8 << 20))

    class Early(Raw):
        def serve(self, connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
                while head := stream.readline():
                    length = 0
                    while (line := stream.readline()) not in (b"\r\n", b""):
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    self.requests.append(head)
                    if length > 1000:
                        connection.sendall(answer(b'{"message": "too large"}', 413))
                        time.sleep(0.05)
                    stream.read(length)
                    if length <= 1000:
                        connection.sendall(answer(b"{}"))

    raw = Early(lambda *_: None)
    http = Http(raw.uri, timeout=5)
    assert http.send("POST", BATCH, {}).status == 200
    assert http.send("PUT", "/x", tmp_path / "large")[:2] == (413, {"message": "too large"})
    http.close()
    raw.listening.close()


@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"a": [1, 2',
        answer(b'{"a": 1}')[:-3],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
def test_an_answer_that_is_cut_is_no_answer(serve: Callable[..., tuple[Raw, Http]], half: bytes) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        connection.sendall(half)
        connection.shutdown(socket.SHUT_RDWR)

    _, http = serve(respond)
    with pytest.raises(TransportError, match=r"the connection broke|the answer broke off"):
        http.send("POST", CREATE, {})


@pytest.mark.parametrize(
    ("said", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b'{"a": 1}'), 200, {"a": 1}),
        (b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n', 200, {"a": 1}),
        (answer(gzip.compress(b'{"a": 1}'), 200, "Content-Encoding: gzip"), 200, {"a": 1}),
    ],
)
def test_answers_of_all_shapes_leave_the_connection_in_order(
    serve: Callable[..., tuple[Raw, Http]], said: bytes, status: int, body: object
) -> None:
    raw, http = serve(lambda connection, *_: connection.sendall(said))
    for _ in range(3):
        assert http.send("POST", BATCH, {})[:2] == (status, body)
    assert raw.connections == 1


@pytest.mark.parametrize("said", [b"HTTP/1.1 200 OK\r\n" + b"X-More: x\r\n" * 90, answer(b"x" * 10_000)[:-9_990]])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up_in_time(
    serve: Callable[..., tuple[Raw, Http]], said: bytes
) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        for n in range(1000):
            connection.sendall(said[n : n + 1] or b"x")
            time.sleep(0.05)

    _, http = serve(respond, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(TransportError, match=r"within 0.5 s"):
        http.send("POST", CREATE, {})
    assert time.monotonic() - began < 2


def test_a_long_answer_over_a_slow_line_is_waited_for(serve: Callable[..., tuple[Raw, Http]]) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        said = answer(b'{"a": "' + b"x" * 30_000 + b'"}')
        for n in range(0, len(said), 3000):
            connection.sendall(said[n : n + 3000])
            time.sleep(0.1)

    _, http = serve(respond, timeout=0.5)
    assert len(http.send("POST", BATCH, {}).body["a"]) == 30_000


def test_of_a_huge_error_page_only_the_beginning_is_read(serve: Callable[..., tuple[Raw, Http]]) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>")
            while True:
                connection.sendall(b"x" * 65536)

    _, http = serve(respond)
    began = time.monotonic()
    status, body, _ = http.send("POST", BATCH, {})
    assert (status, body[:6], len(body)) == (502, b"<html>", 64 << 10)
    assert time.monotonic() - began < 3
    assert http.received < 4 << 20


def test_an_error_whose_page_does_not_come_is_known_by_its_status(serve: Callable[..., tuple[Raw, Http]]) -> None:
    def respond(connection: socket.socket, number: int, request: bytes) -> None:
        connection.sendall(answer(b"x" * 100, 503, "Retry-After: 7")[:-100])
        connection.shutdown(socket.SHUT_RDWR)

    _, http = serve(respond)
    found = http.send("POST", CREATE, {})
    assert (found.status, found.headers["Retry-After"]) == (503, "7")


def test_a_redirect_to_nonsense_is_said(serve: Callable[..., tuple[Raw, Http]]) -> None:
    _, http = serve(lambda connection, *_: connection.sendall(answer(b"", 302, "Location: http://[hush")))
    with pytest.raises(TransportError, match="redirects to nowhere"):
        http.send("POST", BATCH, {})


def test_requests_and_bytes_are_counted(serve: Callable[..., tuple[Raw, Http]], tmp_path: Path) -> None:
    said = answer(b'{"a": 1}')
    _, http = serve(lambda connection, *_: connection.sendall(said))
    (tmp_path / "file").write_bytes(b"x" * 700_000)
    http.send("POST", BATCH, b"x" * 1000)
    http.send("PUT", "/x", tmp_path / "file")
    assert http.requests == 2
    assert 701_000 < http.sent < 702_000
    assert http.received == 2 * len(said)


def test_an_http_proxy_is_used_and_its_password_not_shown(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, serve: Callable[..., tuple[Raw, Http]]
) -> None:
    raw, _ = serve(lambda connection, *_: connection.sendall(answer(b'{"by": "proxy"}')))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", raw.uri.replace("//", "//me:hush%2Fhush@"))
    http = Http("http://tracking.example")
    assert http.send("POST", BATCH, {}).body == {"by": "proxy"}
    assert raw.requests[0].startswith(b"http://tracking.example/api")
    raw.listening.close()
    http.close()
    monkeypatch.setenv("http_proxy", "http://me:hush%2Fhush@127.0.0.1:1")
    with pytest.raises(TransportError, match="the proxy of HTTP_PROXY or HTTPS_PROXY does not work") as raised:
        Http("http://tracking.example").send("POST", BATCH, {})
    assert "hush" not in str(raised.value)
