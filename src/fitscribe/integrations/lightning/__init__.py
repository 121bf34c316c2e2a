"""Lightning: one run per `Trainer.fit`, of either package, with its metrics by epoch, its settings and the model.

A fit is followed by a callback that is added to the trainer for the call only. It holds no state, so nothing of it
comes into a checkpoint and it can be sent to other processes. No logger is added: that alone would change where
checkpoints go. Values are read where Lightning has computed them, never computed: on several ranks that would be
a collective operation of one rank alone.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fitscribe import Integration

__all__ = ["OPTIONS", "integration", "pytorch_lightning"]

OPTIONS = {
    "log_every_n_epoch": 1,
    "log_every_n_step": None,
    "log_models": True,
    "log_model_signatures": True,
    "log_datasets": True,
    "checkpoint": False,
    "checkpoint_monitor": "val_loss",
    "checkpoint_mode": "min",
    "checkpoint_save_best_only": True,
    "checkpoint_save_weights_only": False,
    "checkpoint_save_freq": "epoch",
    "registered_model_name": None,
    "max_model_size": 500_000_000,
}
MODES = ("min", "max")


def _fit(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import fitting

    return fitting.recorded(call)


def _validate(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import evaluation

    return evaluation.recorded(call, "validate")


def _test(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import evaluation

    return evaluation.recorded(call, "test")


def _predict(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import evaluation

    return evaluation.predicted(call)


def _lr_find(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import tuning

    return tuning.rate_found(call)


def _scale_batch_size(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import tuning

    return tuning.size_found(call)


def _log_dict(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.lightning import fabric

    return fabric.logged(call)


def _count(value: Any, none: str) -> str:
    fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
    return "" if fits else f"is neither a number from 1 nor None ({none})"


def _frequency(value: Any) -> str:
    fits = value == "epoch" or (isinstance(value, int) and not isinstance(value, bool) and value > 0)
    return "" if fits else "is neither 'epoch' nor a number of steps from 1"


def _size(value: Any) -> str:
    fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)
    return "" if fits else "is neither a number of bytes from 0 nor None (any size)"


def _made(distribution: str, name: str, package: str, fabric: str) -> Integration:
    """Watch the trainer of one package; the two are separate trees of the same code."""
    made = Integration(name, requires=f"{distribution}>=2.4", tested="<2.7", options=OPTIONS)
    made.check("log_every_n_epoch")(lambda value: _count(value, "never"))
    made.check("log_every_n_step")(lambda value: _count(value, "by epoch alone"))
    made.check("checkpoint_mode")(lambda value: "" if value in MODES else "is neither min nor max")
    made.check("checkpoint_save_freq")(_frequency)
    made.check("registered_model_name")(
        lambda value: "" if value is None or isinstance(value, str) else "is neither a name nor None"
    )
    made.check("max_model_size")(_size)
    for method, hook in (("fit", _fit), ("validate", _validate), ("test", _test), ("predict", _predict)):
        made.around(f"{package}.trainer.trainer:Trainer.{method}")(hook)
    made.around(f"{package}.tuner.tuning:Tuner.lr_find")(_lr_find)
    made.around(f"{package}.tuner.tuning:Tuner.scale_batch_size")(_scale_batch_size)
    made.around(f"{fabric}.fabric:Fabric.log_dict")(_log_dict)
    return made


integration = _made("lightning", "lightning", "lightning.pytorch", "lightning.fabric")
pytorch_lightning = _made("pytorch-lightning", "pytorch_lightning", "pytorch_lightning", "lightning_fabric")
