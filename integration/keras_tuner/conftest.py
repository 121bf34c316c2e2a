"""KerasTuner and Keras under autologging, heard by a recorder."""

from __future__ import annotations

import keras
import keras_tuner
import numpy
import pytest

import fitscribe
from fitscribe import discovery


@pytest.fixture
def autolog(recorder):
    """Switch autologging on, without models; at the end every patched name is what it was."""
    before = names()
    fitscribe.keras.autolog(log_models=False)
    fitscribe.keras_tuner.autolog()
    yield
    discovery.disable()
    assert names() == before


def names() -> dict[str, object]:
    kinds = (keras_tuner.engine.base_tuner.BaseTuner, keras_tuner.Tuner, keras_tuner.RandomSearch)
    watched = ("search", "run_trial", "on_trial_end")
    return {"fit": keras.Model.fit, **{f"{each}.{name}": getattr(each, name) for each in kinds for name in watched}}


@pytest.fixture
def data():
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(96, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")
