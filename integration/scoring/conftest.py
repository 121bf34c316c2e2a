"""Servers in processes of their own: MLflow's over the models of `theirs.py`, and ours over the same."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from integration.bench.measuring import SOURCES
from integration.server import QUIET, _free_port

STARTS_WITHIN = 180  # seconds


class Server:
    """A process that answers on loopback."""

    def __init__(self, command: list[str], port: int, log: Path, folder: Path) -> None:
        """Start it; whoever asks waits until it answers."""
        self.port, self._log = port, log
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FITSCRIBE_"))}
        kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])  # MLflow calls uvicorn
        group = {"start_new_session": True} if os.name != "nt" else {}  # its workers are to end with it
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", *command],
                cwd=folder, env=kept | QUIET | {"PYTHONPATH": SOURCES}, stdout=out, stderr=subprocess.STDOUT, **group,
            )  # fmt: skip

    @property
    def log(self) -> str:
        """What it has said."""
        return self._log.read_text(errors="replace")

    def ready(self, path: str = "/ping") -> Server:
        """Wait until a path of it is answered."""
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.ask("GET", path).status == 200:
                    return self
            time.sleep(0.1)
        raise RuntimeError(f"the server did not start:\n{self.log[-4000:]}")

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str | None = None) -> SimpleNamespace:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            headers = {} if kind is None else {"content-type": kind}
            connection.request(method, urllib.parse.quote(path), body, headers)
            answer = connection.getresponse()
            return SimpleNamespace(status=answer.status, kind=answer.getheader("content-type"), body=answer.read())

    def stop(self) -> None:
        """End it, and all that it started."""
        if self.process.poll() is None:
            if os.name == "nt":
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(self.process.pid)], check=False)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(15)


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Iterator:
    """Start a module as a server: `start(command, port)`."""
    folder = tmp_path_factory.mktemp("scoring")
    with contextlib.ExitStack() as stack:

        def started(*command: object, port: int | None = None) -> Server:
            port = port or _free_port()
            words = [str(word).replace("PORT", str(port)) for word in command]
            server = Server(words, port, folder / f"{port}.log", folder)
            stack.callback(server.stop)
            return server

        yield started


@pytest.fixture(scope="session")
def theirs(start, tmp_path_factory) -> SimpleNamespace:
    """MLflow's scoring server over its models, and their folder."""
    folder = tmp_path_factory.mktemp("models")
    return SimpleNamespace(
        folder=folder, server=start("integration.scoring.theirs", folder, "PORT").ready("/free/ping")
    )


@pytest.fixture(scope="session")
def ours(start, theirs):
    """Our scoring server over the same models."""
    return start("integration.scoring.ours", theirs.folder, "PORT").ready("/free/ping")
