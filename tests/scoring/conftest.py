"""A model of a test behind a real server on loopback, and a client that sends any bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import uvicorn

from fitscribe.scoring.app import application


class Asked(SimpleNamespace):
    """A model that does what a function says; it takes its data as they come, as one with a type hint does."""

    def __init__(self, predict, **metadata) -> None:
        content = {"is_signature_from_type_hint": True, **metadata}
        super().__init__(metadata=SimpleNamespace(signature=None, to_dict=lambda: content), predict=predict)


class Place:
    """Where a model is served; every request has a connection of its own."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body=None, headers=None, **more) -> SimpleNamespace:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {}, **more)
            answer = connection.getresponse()
            return SimpleNamespace(status=answer.status, body=answer.read(), kind=answer.getheader("content-type"))

    def predict(self, data=None, kind="application/json", *, raw=None, **more) -> SimpleNamespace:
        """Post data under the key `inputs`, or raw bytes."""
        body = json.dumps({"inputs": data, **more}).encode() if raw is None else raw
        return self.ask("POST", "/invocations", body, {} if kind is None else {"content-type": kind})


@contextlib.contextmanager
def served_at(app) -> Iterator[Place]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield Place(listening.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)


@pytest.fixture(scope="module")
def echo() -> Iterator[Place]:
    """A model that answers its data, for many requests."""
    with served_at(application(Asked(lambda data, params: data), "1.2.3", limit=1000_000)) as place:
        yield place


@pytest.fixture
def serve() -> Iterator:
    """Serve what a function predicts; give the place."""
    with contextlib.ExitStack() as stack:

        def start(predict=lambda data, params: data, metadata=None, **options) -> Place:
            return stack.enter_context(served_at(application(Asked(predict, **metadata or {}), "1.2.3", **options)))

        yield start
