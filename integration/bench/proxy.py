"""A relay on loopback that lets every chunk from the client wait: a server that is some milliseconds away."""

from __future__ import annotations

import asyncio
import threading


class Latency:
    """`with Latency(port, 0.05) as there:` - `there` is the port of the slow road to `port`."""

    def __init__(self, port: int, seconds: float) -> None:
        self.port, self.seconds = port, seconds
        self.connections = 0

    def __enter__(self) -> int:
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        return self.here

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
        await asyncio.gather(self._pump(reader, sink, self.seconds), self._pump(upstream, writer, 0))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait: float) -> None:
        try:
            while chunk := await reader.read(1 << 16):
                if wait:
                    await asyncio.sleep(wait)
                writer.write(chunk)
                await writer.drain()
        except (ConnectionError, OSError):
            return
        finally:
            writer.close()
