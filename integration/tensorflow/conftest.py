"""TensorFlow under autologging, heard by a recorder; where TensorFlow is not, there is nothing to test."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from importlib import util
from typing import Any

import pytest

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.testing.recorder import Recorder

collect_ignore_glob = [] if util.find_spec("tensorflow") else ["test_*.py"]
collect_ignore = [] if util.find_spec("tf_keras") else ["test_legacy.py", "test_workers.py"]


def pytest_configure(config: pytest.Config) -> None:
    """Keras makes numpy warn of TensorFlow's tensors, whatever we do."""
    config.addinivalue_line("filterwarnings", "ignore:__array:DeprecationWarning")


@pytest.fixture
def recorder(monkeypatch) -> Iterator[Recorder]:
    with Recorder() as recorder:
        monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
        yield recorder
        gc.collect()  # a writer that is let go of ends its run


@pytest.fixture
def autolog(recorder):
    """Switch TensorFlow's autologging on, without models; at the end every watched name is what it was."""
    before = names()
    fitscribe.tensorflow.autolog(log_models=False)
    yield fitscribe.tensorflow.autolog
    discovery.disable()
    assert names() == before


def names() -> dict[str, Any]:
    """Everything that is replaced, as it stands in the dictionaries of classes and modules."""
    import keras
    from keras.src.backend.tensorflow.trainer import TensorFlowTrainer
    from keras.src.callbacks import callback_list, tensorboard
    from tensorflow.python.ops import gen_summary_ops, summary_ops_v2

    owners = (
        keras.Model,
        TensorFlowTrainer,
        callback_list.CallbackList,
        tensorboard.TensorBoard,
        gen_summary_ops,
        summary_ops_v2,
        summary_ops_v2._ResourceSummaryWriter,
        summary_ops_v2._SummaryContextManager,
    )
    return {
        f"{owner.__name__}.{name}": value for owner in owners for name, value in vars(owner).items() if callable(value)
    }
