"""Connections that keep to the clock and trust no answer that nobody asked for; beneath `requests` and urllib3.

A timeout of `requests` is one for each read, so that a server which sends a byte now and then holds a thread for ever;
here an answer has its time as a whole. And a proxy that answers twice leaves an answer in the connection, which would
be taken for that of the next request: such a connection is not used again, and an answer in doubt is none.
"""

from __future__ import annotations

import functools
import http.client
import io
import socket
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.wait import wait_for_read

__all__ = ["Adapter", "Reader", "Unasked"]

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it
BLOCK = 256 * 1024  # bytes of a file per write to the socket
THREADS = 10
SLOWEST = 4096  # bytes a second that an answer must come with, after the time until it must begin


class Unasked(ConnectionResetError):
    """The endpoint spoke before it was asked in full: what it said belongs to another request."""


class Adapter(HTTPAdapter):
    """The adapter of a session; as many connections as the delivery has threads."""

    def __init__(self) -> None:
        super().__init__(pool_connections=2, pool_maxsize=THREADS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of these connections; also what urllib3 calls."""
        super().init_poolmanager(*args, blocksize=BLOCK, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Make the pools behind a proxy; also what `requests` calls."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # whose pools are of their own kind
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager


class Reader(io.BufferedReader):
    """What one answer is read from; it knows whether it was the first of its connection, and the last."""

    def __init__(self, paced: _Paced, first: bool, sent: int) -> None:
        super().__init__(paced)
        self.paced, self.first, self.sent = paced, first, sent
        self.surplus = False  # more came than the answer
        self.last = b""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line, and remember it."""
        self.last = super().readline(size)
        return self.last

    @property
    def received(self) -> int:
        """Bytes of the answer so far, with its headers."""
        return self.paced.received

    def close(self) -> None:
        """Look whether anything is left, and let go."""
        if not self.closed:
            self.paced.ended = True
            try:
                self.surplus = bool(self.peek(1))
            except (OSError, ValueError):
                self.surplus = False
        super().close()


class _Paced(io.RawIOBase):
    """A socket that is read until a deadline, which moves only with as many bytes as a slow line brings."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self.raw, self.sock = raw, sock
        self.seconds: float | None = sock.gettimeout()
        self.began, self.received, self.ended = time.monotonic(), 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.ended and not wait_for_read(self.sock, timeout=0.0):
            return 0
        if self.seconds is not None:
            left = self.began + self.seconds + self.received / SLOWEST - time.monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            self.sock.settimeout(min(self.seconds, left))
        count = self.raw.readinto(buffer)
        self.received += count or 0
        return count  # type: ignore[no-any-return]

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, connection: _Watched, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        reader = Reader(_Paced(self.fp.detach(), sock), connection.served == 0, connection.sent)
        self.fp = connection.reader = reader

    def begin(self) -> None:
        """Read the headers; where they break off, `http.client` takes them for whole, and the body for empty."""
        super().begin()
        if isinstance(self.fp, Reader) and not self.fp.last:
            raise ConnectionResetError("the answer broke off in its headers")


class _Watched:
    """One connection: counts what it sends, and looks for what was not asked for.

    Also acknowledges at once what the server sends: one whose sockets lack TCP_NODELAY (uvicorn with several workers)
    writes headers and body apart, and holds the body back until the headers are acknowledged: 40 ms per request with
    Linux's delayed ACK. The option does not last, so it is set before each answer is read.
    """

    sock: Any
    response_class: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.response_class = functools.partial(_Answer, self)
        self.served = self.sent = 0
        self.reader: Reader | None = None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.served, self.reader = 0, None

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.sent = 0
        super().request(*args, **kwargs)  # type: ignore[misc]

    def send(self, data: Any) -> None:
        """Send a part of a request; an endpoint cannot have answered it before the last one."""
        if self.served and self.sock is not None and wait_for_read(self.sock, timeout=0.0):
            raise Unasked("the endpoint answered before it was asked")
        super().send(data)  # type: ignore[misc]
        self.sent += len(data)

    def getresponse(self) -> Any:
        if QUICKACK is not None and self.sock is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        answer = super().getresponse()  # type: ignore[misc]
        answer.reader = self.reader
        self.served += 1
        return answer

    @property
    def is_connected(self) -> bool:
        """Whether it can be used again."""
        surplus = self.reader is not None and self.reader.surplus
        return not surplus and super().is_connected  # type: ignore[misc]


class _Connection(_Watched, HTTPConnection):
    pass


class _TlsConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
