"""Optuna under autologging, heard by a recorder; at the end every patched function is the one that was there."""

from __future__ import annotations

from collections.abc import Iterator

import optuna
import pytest
from optuna.study import Study
from optuna.trial import Trial

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.testing.recorder import Recorder

optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture
def recorder(monkeypatch) -> Iterator[Recorder]:
    """Everything that runs say, with autologging on."""
    before = dict(vars(Study)), dict(vars(Trial))
    with Recorder() as recorder:
        monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        fitscribe.autolog()
        yield recorder
        fitscribe.autolog(disable=True)
        discovery.disable()
    assert (dict(vars(Study)), dict(vars(Trial))) == before
