"""Other servers of the protocol on loopback, each installed into an environment of its own under `.venv-servers`."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".venv-servers"
BIN = "Scripts" if os.name == "nt" else "bin"
WITHIN = 180  # seconds for a server to start
READY = "installed.txt"


def requirements() -> dict[str, list[str]]:
    """Return what pip installs for each server."""
    lines = (ROOT / "integration" / "servers.txt").read_text().splitlines()
    return {words[0]: words[1:] for line in lines if (words := line.partition("#")[0].split())}


def installed(name: str) -> Path:
    """Return the folder of a server's programs, which are installed the first time, or when its line changed."""
    folder, wanted = HOME / name, requirements()[name]
    mark = folder / READY
    if not mark.exists() or mark.read_text() != " ".join(wanted):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        pip = [str(folder / BIN / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True, timeout=900)
        mark.write_text(" ".join(wanted))
    return folder / BIN


@contextlib.contextmanager
def serving(name: str, folder: Path) -> Iterator[str]:
    """Run a server that keeps its things in a folder, and give its tracking URI."""
    port = _free_port()
    uri, programs = f"http://127.0.0.1:{port}", installed(name)
    command = _fasttrackml if name == "fasttrackml" else _mlflow
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "FML_", "PYTHONPATH"))}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command(programs, folder, port),
            cwd=folder,
            env=kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(server, uri, folder / "log")
        yield uri
    finally:
        server.terminate()
        server.wait(20)


def _fasttrackml(programs: Path, folder: Path, port: int) -> list[str]:
    store = ["-d", f"sqlite://{(folder / 'fasttrackml.db').as_posix()}"]
    artifacts = ["--default-artifact-root", str(folder / "artifacts")]
    return [str(programs / "fml"), "server", "-a", f"127.0.0.1:{port}", *store, *artifacts, "-l", "warn"]


def _mlflow(programs: Path, folder: Path, port: int) -> list[str]:
    store = ["--backend-store-uri", f"sqlite:///{(folder / 'mlflow.db').as_posix()}"]
    artifacts = ["--artifacts-destination", str(folder / "artifacts")]
    server = [str(programs / "python"), "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    return [*server, *store, *artifacts]


def _wait(server: subprocess.Popen[bytes], uri: str, log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    question = f"{uri}/api/2.0/mlflow/experiments/get?experiment_id=0"
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(question, timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.25)
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":  # before tests that run in several processes, which would install them at once
    for each in requirements():
        print(f"{each}: {installed(each)}", flush=True)
