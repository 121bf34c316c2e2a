"""A relay on loopback that counts what passes, and lets it wait: a server that is some milliseconds away."""

from __future__ import annotations

import asyncio
import threading

__all__ = ["Relay"]

REQUEST = b" HTTP/1.1\r\n"  # ends the first line of each request, and of nothing else


class Relay:
    """`with Relay(port, 0.05) as relay:` - `relay.uri` is the slow road to `port`; what a client sends takes 0.05 s.

    It waits, but is not throttled: what is sent in one go arrives in one go, so much later.
    """

    def __init__(self, port: int, seconds: float = 0.0) -> None:
        self.port, self.seconds = port, seconds
        self.connections = self.requests = 0
        self.sent = self.received = 0  # bytes as the client sees them, heads included

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.here}"

    def forget(self) -> None:
        """Count from nothing again."""
        self.connections = self.requests = self.sent = self.received = 0

    def __enter__(self) -> Relay:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._relay, "127.0.0.1", 0))
        self.here = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        upstream, sink = await asyncio.open_connection("127.0.0.1", self.port)
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        await asyncio.gather(self._taken(reader, waiting), self._passed(waiting, sink), self._answers(upstream, writer))

    async def _taken(self, reader: asyncio.StreamReader, waiting: asyncio.Queue[tuple[float, bytes]]) -> None:
        end, chunk = b"", b"-"
        while chunk:
            try:
                chunk = await reader.read(1 << 16)
            except OSError:
                chunk = b""
            self.sent += len(chunk)
            self.requests += (end + chunk).count(REQUEST) - end.count(REQUEST)
            end = (end + chunk)[-len(REQUEST) + 1 :]
            waiting.put_nowait((self._loop.time() + self.seconds, chunk))

    async def _passed(self, waiting: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter) -> None:
        chunk = b"-"
        while chunk:
            due, chunk = await waiting.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await _written(sink, chunk)

    async def _answers(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunk = b"-"
        while chunk:
            try:
                chunk = await upstream.read(1 << 16)
            except OSError:
                chunk = b""
            self.received += len(chunk)
            await _written(writer, chunk)


async def _written(writer: asyncio.StreamWriter, chunk: bytes) -> None:
    """Write a chunk; an empty one closes. The other side may be gone, which is its affair."""
    try:
        writer.write(chunk)
        await writer.drain()
        if not chunk:
            writer.close()
    except OSError:
        return
