"""A proxy before a real server that breaks connections, requests and answers, by a script or at random.

`with Proxy(port) as proxy: proxy.rules = [Rule("lose-answer", every=3)]`: each request meets the first rule that is
for it, or is passed on faithfully.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from random import Random
from typing import Any, NamedTuple

__all__ = ["FAULTS", "Proxy", "Rule"]

HTML = b"<!doctype html><title>Sign in</title><p>Who are you?"
PASSED = ("content-type", "content-disposition", "location", "retry-after")
UPSTREAM = 60.0  # seconds


@dataclass
class Rule:
    """Which requests fail, and how: those whose path contains `path`, of these each `every`-th, with `chance`."""

    fault: str
    path: str = ""
    every: int = 1
    times: int = 1_000_000
    chance: float = 1.0
    seconds: float = 0.5
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    random: Random = field(default_factory=Random)
    seen: int = 0

    def strikes(self, path: str) -> bool:
        """True when the rule is for this request."""
        if self.path not in path or not self.times:
            return False
        self.seen += 1
        if self.seen % self.every or self.random.random() >= self.chance:
            return False
        self.times -= 1
        return True


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __bytes__(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} .", f"Content-Length: {len(self.body)}"]
        lines += [f"{key}: {value}" for key, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


class Visit(BaseHTTPRequestHandler):
    """A client's connection, and the request on it that is under way."""

    protocol_version = "HTTP/1.1"
    server: Proxy  # type: ignore[assignment]

    def _serve(self) -> None:
        self.content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        rule = self.server.rule_for(self.path)
        if rule is None:
            self.say(self.done())
        else:
            FAULTS[rule.fault](self, rule)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def done(self) -> Answer:
        """Let the server handle the request, and return its answer."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream, timeout=UPSTREAM)
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, self.content, dict(self.headers.items()))
            answer = upstream.getresponse()
            kept = {key: value for key, value in answer.getheaders() if key.lower() in PASSED}
            return Answer(answer.status, kept, answer.read())

    def say(self, answer: Answer) -> None:
        """Pass an answer on."""
        self.wfile.write(bytes(answer))

    def hang_up(self) -> None:
        """Close the connection, without a word."""
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        return None


# the faults


def delay(visit: Visit, rule: Rule) -> None:
    """Done, and answered late."""
    answer = visit.done()
    time.sleep(rule.seconds)
    visit.say(answer)


def slow(visit: Visit, rule: Rule) -> None:
    """Done, and answered bit by bit."""
    answer = bytes(visit.done())
    size = len(answer) // 8 + 1
    for start in range(0, len(answer), size):
        visit.wfile.write(answer[start : start + size])
        time.sleep(rule.seconds / 7)


def lose_request(visit: Visit, rule: Rule) -> None:
    """Not done; the connection is closed."""
    visit.hang_up()


def lose_answer(visit: Visit, rule: Rule) -> None:
    """Done; the connection is closed."""
    visit.done()
    visit.hang_up()


def reset(visit: Visit, rule: Rule) -> None:
    """Done; the connection is reset, as by a machine that has forgotten it."""
    visit.done()
    visit.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    visit.hang_up()


def cut(visit: Visit, rule: Rule) -> None:
    """Done; the connection breaks in the middle of the answer."""
    answer = bytes(visit.done())
    visit.wfile.write(answer[: rule.random.randrange(1, len(answer))])
    visit.hang_up()


def request_twice(visit: Visit, rule: Rule) -> None:
    """Done twice, as by a proxy that tries again by itself; the second answer is passed on."""
    visit.done()
    visit.say(visit.done())


def answer_twice(visit: Visit, rule: Rule) -> None:
    """Done; the answer comes twice on the same connection."""
    answer = visit.done()
    visit.wfile.write(bytes(answer) * 2)


def refused(visit: Visit, rule: Rule) -> None:
    """Not done; answered with the rule's status."""
    visit.say(Answer(rule.status, rule.headers, b'{"message": "not now"}'))


def refused_after(visit: Visit, rule: Rule) -> None:
    """Done; answered with the rule's status nevertheless."""
    visit.done()
    refused(visit, rule)


def html(visit: Visit, rule: Rule) -> None:
    """Not done; a page comes instead, with status 200."""
    visit.say(Answer(200, {"Content-Type": "text/html"}, HTML))


def silence(visit: Visit, rule: Rule) -> None:
    """Not done; no answer for the rule's seconds."""
    visit.server.released.wait(rule.seconds)
    visit.hang_up()


def closed(visit: Visit, rule: Rule) -> None:
    """Not done; for the rule's seconds no connection is accepted."""
    visit.hang_up()
    visit.server.shut(rule.seconds)


FAULTS: dict[str, Callable[[Visit, Rule], None]] = {
    each.__name__.replace("_", "-"): each
    for each in (
        delay, slow, lose_request, lose_answer, reset, cut, request_twice, answer_twice, refused, refused_after, html,
        silence, closed,
    )
}  # fmt: skip


class Proxy:
    """Listens on `port` of loopback for the server at port `upstream`; `met` counts the faults that happened."""

    def __init__(self, upstream: int) -> None:
        """Listen at once; connections are accepted inside the `with` block."""
        self.upstream = upstream
        self.rules: list[Rule] = []
        self.met: Counter[str] = Counter()
        self.requests = 0
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._closed_until = 0.0

    @property
    def uri(self) -> str:
        """The tracking URI."""
        return f"http://127.0.0.1:{self.port}"

    def rule_for(self, path: str) -> Rule | None:
        """Return the rule that a request to this path meets."""
        with self._lock:
            self.requests += 1
            rule = next((each for each in self.rules if each.strikes(path)), None)
            self.met.update([rule.fault] if rule else [])
        return rule

    def shut(self, seconds: float) -> None:
        """Refuse connections for so long."""
        self._closed_until = time.monotonic() + seconds
        _let_go(self._listener)

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        _let_go(self._listener)

    def _accept(self) -> None:
        while not self.released.is_set():
            try:
                connection, address = self._listener.accept()
            except OSError:  # it was closed, for good or for a while
                self._open_again()
            else:
                threading.Thread(target=self._visited, args=(connection, address), daemon=True).start()

    def _open_again(self) -> None:
        if not self.released.wait(max(0.0, self._closed_until - time.monotonic())):
            with contextlib.suppress(OSError):
                self._listener = socket.create_server(("127.0.0.1", self.port))

    def _visited(self, connection: socket.socket, address: Any) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException), connection:
            Visit(connection, address, self)  # type: ignore[arg-type]


def _let_go(listener: socket.socket) -> None:
    """Wake the thread that waits in `accept`, and close."""
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
