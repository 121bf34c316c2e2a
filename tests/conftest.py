"""What every hermetic test gets: a folder of its own, no settings from outside, no swallowed error, no leftovers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from fitscribe import discovery, run
from fitscribe.testing import isolation
from fitscribe.testing.isolation import apart
from fitscribe.testing.recorder import Recorder

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell's background jobs have it, and all they start
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def keys_elsewhere(tmp_path_factory) -> Iterator[None]:
    """Keep the key that signs models apart from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_CONFIG_HOME", "APPDATA"):
            patch.setenv(variable, str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch) -> Iterator[None]:
    """Work in an empty folder, with no FITSCRIBE_* or MLFLOW_* variable set."""
    monkeypatch.chdir(tmp_path)
    with apart(), isolation.nothing_waits():
        yield
        discovery.disable()
        ours = [finder for finder in sys.meta_path if type(finder).__module__.startswith("fitscribe")]
        left = [each.name or each.id for each in run.opened.values() if each.process == os.getpid()]
    assert not ours, "a finder of ours was left on sys.meta_path"
    assert not left, f"runs were left open: {left}"


@pytest.fixture(autouse=True)
def nothing_swallowed(request) -> Iterator[None]:
    """Raise what `guarded` logged: an error of ours can hide from users, never from a test."""
    with isolation.nothing_swallowed(request.node.get_closest_marker("swallows") is not None):
        yield


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Everything that runs say."""
    with Recorder() as recorder:
        yield recorder
