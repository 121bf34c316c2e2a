"""Keras: one run per `fit`, on every backend, with its metrics by epoch, what its callbacks decided, and the model.

Watched are `fit`, `evaluate`, `predict` and `train_on_batch` of `keras.Model`; the callback that follows a fit joins
the list that Keras itself makes, last and after the list has decided how it dispatches: the user's list stays the same
object with the same contents, and training stays as asynchronous as it was. `compile` is never touched: `load_model`
would then compile nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fitscribe import Integration

__all__ = ["OPTIONS", "integration"]

OPTIONS = {
    "log_every_epoch": True,
    "log_every_n_steps": None,
    "log_models": True,
    "log_model_signatures": True,
    "log_input_examples": False,
    "log_datasets": True,
    "log_architecture": True,
    "checkpoint": False,
    "checkpoint_monitor": "val_loss",
    "checkpoint_mode": "min",
    "checkpoint_save_best_only": True,
    "checkpoint_save_weights_only": False,
    "checkpoint_save_freq": "epoch",
    "registered_model_name": None,
    "save_exported_model": False,
    "save_model_kwargs": None,
    "max_model_size": 500_000_000,
}
CHOICES = {"checkpoint_mode": ("min", "max", "auto")}

integration = Integration(
    "keras",
    requires="keras>=3.6",
    tested="<3.17",
    options=OPTIONS,
    not_built={"model_id": None},
)


@integration.check("log_every_n_steps")
def _every_n_steps(value: Any) -> str:
    fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
    return "" if fits else "is neither a number of steps from 1 nor None"


@integration.check("checkpoint_mode")
def _mode(value: Any) -> str:
    return "" if value in CHOICES["checkpoint_mode"] else f"is none of {', '.join(CHOICES['checkpoint_mode'])}"


@integration.check("checkpoint_save_freq")
def _freq(value: Any) -> str:
    fits = value == "epoch" or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
    return "" if fits else "is neither 'epoch' nor a number of batches from 1"


@integration.check("registered_model_name")
def _name(value: Any) -> str:
    return "" if value is None or isinstance(value, str) else "is neither a name nor None"


@integration.check("save_model_kwargs")
def _for_save(value: Any) -> str:
    return "" if value is None or isinstance(value, dict) else "is neither a dict of arguments of Model.save nor None"


@integration.check("max_model_size")
def _size(value: Any) -> str:
    fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)
    return "" if fits else "is neither a number of bytes from 0 nor None (any size)"


@integration.around("keras:Model.fit", nested=True)
def _fit(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import fitting

    return fitting.recorded(call, "optimizer")


@integration.around("keras:Model.evaluate")
def _evaluate(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import evaluation

    return evaluation.recorded(call)


@integration.around("keras:Model.predict")
def _predict(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import predictions

    return predictions.recorded(call)


@integration.around("keras:Model.train_on_batch", nested=True)
def _train_on_batch(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import loops

    return loops.stepped(call)


@integration.around("keras.src.callbacks.callback_list:CallbackList.__init__", nested=True)
def _callback_list(call: Any) -> Generator[None, Any, None]:
    """The list of a call that is followed gets our callback; where it is a fit's own, not one of a model inside."""
    from fitscribe.integrations.keras import joining

    yield
    joining.joins(call)


@integration.around("keras.src.trainers.epoch_iterator:EpochIterator.__init__", nested=True)
def _epoch_iterator(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.keras import batches

    yield
    batches.made(call.target)
