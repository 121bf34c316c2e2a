"""A real MLflow server on loopback: SQLite, artifacts through the server, one worker."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

STARTS_WITHIN = 180  # seconds; it takes 10 to 25 on an idle machine
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class Server:
    """A server that keeps its things in a folder; one that was killed starts again where it was."""

    def __init__(self, folder: Path, *options: str, **variables: str) -> None:
        """Choose a free port, and start nothing; other options for its artifacts, and variables that it sees."""
        self.folder, self.port = folder, _free_port()
        self.options, self.variables = options, variables
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Return when it answers. `RuntimeError`: it does not."""
        with (self.folder / "log").open("a") as log:
            self._process = _start(self, log)
        _wait(self._process, self.uri, self.folder / "log")

    def stop(self) -> None:
        """Let it end."""
        _stop(self._process)

    def kill(self) -> None:
        """End it and its workers at once, in the middle of whatever they do."""
        if os.name == "nt":
            return _stop(self._process)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(15)
        return None


@contextlib.contextmanager
def mlflow_server_at(folder: Path) -> Iterator[str]:
    """Run a server that keeps its things in a folder, and give its tracking URI."""
    server = Server(folder)
    try:
        server.start()
        yield server.uri
    finally:
        server.stop()


def _start(server: Server, log) -> subprocess.Popen:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHONPATH"))}
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(server.port)]
    store = ["--backend-store-uri", f"sqlite:///{server.folder.joinpath('mlflow.db').as_posix()}"]
    artifacts = server.options or ["--artifacts-destination", str(server.folder / "artifacts")]
    group = {"start_new_session": True} if os.name != "nt" else {}  # its workers are to end with it
    return subprocess.Popen(
        [*command, *store, *artifacts],
        cwd=server.folder, env=kept | QUIET | server.variables, stdout=log, stderr=subprocess.STDOUT, **group,
    )  # fmt: skip


def _wait(server: subprocess.Popen, uri: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.25)
    raise RuntimeError(f"the MLflow server did not start:\n{log.read_text()[-4000:]}")


def _stop(server: subprocess.Popen) -> None:
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(server.pid)], check=False, capture_output=True)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL) if os.name != "nt" else server.kill()
        server.wait(15)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
