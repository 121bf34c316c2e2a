"""Keras under autologging, heard by a recorder."""

from __future__ import annotations

import keras
import numpy
import pytest

import fitscribe
from fitscribe import discovery


def pytest_configure(config: pytest.Config) -> None:
    """Keras makes numpy warn of torch's tensors, whatever we do."""
    config.addinivalue_line("filterwarnings", "ignore:__array:DeprecationWarning")


@pytest.fixture
def autolog(recorder):
    """Switch autologging on, without models; at the end every patched name is what it was."""
    before = names()

    def switch(**options):
        fitscribe.keras.autolog(**options)

    switch(log_models=False)
    yield switch
    discovery.disable()
    after = names()
    assert after == before
    assert "fit" not in vars(keras.Model)  # it is inherited, as it was


def names() -> dict[str, object]:
    found = {name: getattr(keras.Model, name) for name in ("fit", "evaluate", "predict", "compile", "train_on_batch")}
    found["CallbackList"] = keras.callbacks.CallbackList.__init__
    return found


@pytest.fixture
def data():
    rng = numpy.random.default_rng(0)
    x = rng.normal(size=(96, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32")


@pytest.fixture
def make():
    """Return what makes a small model for `data`, the same each time."""
    return classifier


@pytest.fixture
def model():
    return classifier()


def classifier(optimizer="adam", **compiled):
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
    made.compile(
        optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], **{"jit_compile": False, **compiled}
    )
    return made
