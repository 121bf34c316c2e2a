"""What every test against the real thing gets: a clean environment, and a real MLflow server if it wants one."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from fitscribe import delivery
from fitscribe.testing import isolation
from fitscribe.testing.isolation import apart
from fitscribe.testing.recorder import Recorder

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # so that tests and benchmarks share server.py

from integration.server import Server

collect_ignore = [] if find_spec("keras_tuner") else ["keras_tuner"]  # it is installed on one Python alone

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
def alone() -> Iterator[None]:
    """No FITSCRIBE_* or MLFLOW_* variable is set, and no setting is left over."""
    with apart(), isolation.nothing_waits(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield


@pytest.fixture(autouse=True)
def nothing_swallowed(request) -> Iterator[None]:
    """Raise what `guarded` logged: an error of ours can hide from users, never from a test."""
    with isolation.nothing_swallowed(request.node.get_closest_marker("swallows") is not None):
        yield


@pytest.fixture
def recorder(monkeypatch) -> Iterator[Recorder]:
    """Everything that runs say, in a test that switches autologging on itself."""
    with Recorder() as recorder:
        monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        yield recorder
