"""What every test against the real thing gets: a clean environment, and a real MLflow server if it wants one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fitscribe import config, guard

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that tests and benchmarks share server.py

from integration.server import Server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs have it, and all they start
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def the_mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An MLflow server, for tests that kill it and start it again; everybody in the session shares it."""
    server = Server(tmp_path_factory.mktemp("mlflow-server"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def mlflow_server(the_mlflow_server: Server) -> str:
    """The tracking URI of that server."""
    return the_mlflow_server.uri


@pytest.fixture(scope="session", autouse=True)
def keys_elsewhere(tmp_path_factory) -> Iterator[None]:
    """Keep the key that signs models apart from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "APPDATA"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def alone(monkeypatch) -> Iterator[None]:
    """No FITSCRIBE_* or MLFLOW_* variable is set, and no setting is left over."""
    for name in list(os.environ):
        if name.startswith(("FITSCRIBE_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    config._given.clear()
    config.configure()
    guard._said.clear()
    yield
    config._given.clear()
    config.configure()


@pytest.fixture(autouse=True)
def nothing_swallowed(request, caplog) -> Iterator[None]:
    """Raise what `guarded` logged: an error of ours can hide from users, never from a test."""
    yield
    swallowed = [record for record in caplog.get_records("call") if record.name == "fitscribe" and record.exc_info]
    if swallowed and not request.node.get_closest_marker("swallows"):
        raise swallowed[0].exc_info[1]
