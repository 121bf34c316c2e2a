"""TensorFlow: Keras's fits under MLflow's TensorFlow names, legacy `tf_keras`, and what loops write with `tf.summary`.

A fit of Keras 3 is recorded here only while the integration for Keras is off: under plain `autolog()` that one
records it, once. Watched is what each backend's trainer defines, not `keras.Model`, where the other one stands: whoever
comes first or goes first, both are put back exactly.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fitscribe import Integration
from fitscribe.integrations.keras import integration as keras

__all__ = ["OPTIONS", "integration"]

OPTIONS = {
    "log_every_epoch": True,
    "log_every_n_steps": None,
    "log_models": True,
    "log_model_signatures": True,
    "log_input_examples": False,
    "log_datasets": True,
    "log_architecture": True,
    "log_summaries": True,
    "saved_model_kwargs": None,
    "keras_model_kwargs": None,
    "checkpoint": False,
    "checkpoint_monitor": "val_loss",
    "checkpoint_mode": "min",
    "checkpoint_save_best_only": True,
    "checkpoint_save_weights_only": False,
    "checkpoint_save_freq": "epoch",
    "registered_model_name": None,
    "max_model_size": 500_000_000,
}

integration = Integration(
    "tensorflow",
    requires="tensorflow>=2.18",
    also=("tensorflow-cpu", "tensorflow-macos", "tensorflow-rocm", "intel-tensorflow", "tf-nightly", "tf-nightly-cpu"),
    tested="<2.22",
    options=OPTIONS,
)

_SHARED = ("log_every_n_steps", "checkpoint_mode", "checkpoint_save_freq", "registered_model_name", "max_model_size")
for _option in _SHARED:
    integration.check(_option)(keras.checks[_option])


def _for_saving(value: Any) -> str:
    return "" if value is None or isinstance(value, dict) else "is neither a dict of arguments for saving nor None"


integration.check("saved_model_kwargs")(_for_saving)
integration.check("keras_model_kwargs")(_for_saving)


def _fit(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import fitting

    return fitting.recorded(call, "opt")


def _evaluate(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import evaluation

    return evaluation.recorded(call)


def _train_on_batch(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import loops

    return loops.stepped(call)


def _unless_keras_does(hook: Any) -> Any:
    """Leave a call of Keras 3 to the integration for Keras while that is on, even if it wants no record of it."""

    def stepping_aside(call: Any) -> Generator[None, Any, None]:
        if not keras.enabled:
            yield from hook(call)

    stepping_aside.__name__ = hook.__name__
    return stepping_aside


for _trainer in ("tensorflow.trainer:TensorFlowTrainer", "jax.trainer:JAXTrainer", "torch.trainer:TorchTrainer"):
    for _hook in (_fit, _evaluate, _train_on_batch):
        integration.around(f"keras.src.backend.{_trainer}.{_hook.__name__[1:]}")(_unless_keras_does(_hook))
for _hook in (_fit, _evaluate, _train_on_batch):
    integration.around(f"tf_keras:Model.{_hook.__name__[1:]}")(_hook)


@integration.around("keras.src.callbacks.callback_list:CallbackList.set_params", nested=True)
def _set_params(call: Any) -> Generator[None, Any, None]:
    """Join the list of a fit when it is told its parameters, last in its `__init__`."""
    from fitscribe.integrations.tensorflow import joining

    yield
    joining.joins(call)


@integration.around("keras.src.backend.tensorflow.trainer:TFEpochIterator.__init__", nested=True)
def _epoch_iterator(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import batches

    yield
    batches.made(call.target)


@integration.around("tf_keras.src.callbacks:CallbackList.__init__", nested=True)
def _callback_list(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.tensorflow import joining

    joining.goes_in(call)
    yield


@integration.around("tensorflow.python.ops.summary_ops_v2:_ResourceSummaryWriter.__init__", nested=True)
def _writer(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.tensorflow import summaries

    yield
    summaries.begun(call)


@integration.around("tensorflow.python.ops.summary_ops_v2:_ResourceSummaryWriter.close", nested=True)
def _close(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.tensorflow import summaries

    yield
    summaries.closed(call.target)


@integration.around("tensorflow.python.ops.summary_ops_v2:_SummaryContextManager.__enter__", nested=True)
def _enter(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.tensorflow import summaries

    return summaries.entered(call)


@integration.around("tensorflow.python.ops.gen_summary_ops:write_summary", nested=True)
def _write_summary(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.tensorflow import summaries

    return summaries.written(call)


@integration.around("tensorflow.python.ops.gen_summary_ops:write_raw_proto_summary", nested=True)
def _write_raw(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.tensorflow import summaries

    return summaries.written(call)


def _own_words(call: Any) -> Generator[None, Any, None]:
    """What Keras's TensorBoard callback writes is what the fit's run has already: the metrics of its epochs."""
    from fitscribe.integrations.tensorflow import summaries

    with summaries.unheard():
        yield


for _callback in ("keras.src.callbacks.tensorboard:TensorBoard", "tf_keras.src.callbacks:TensorBoard"):
    for _name in ("on_epoch_end", "on_test_end", "on_train_batch_end", "set_model"):
        integration.around(f"{_callback}.{_name}", nested=True)(_own_words)
