"""`validate`, `test` and `predict`: what they find goes to the run of the model that they are about."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

import fitscribe
from fitscribe import guarded
from fitscribe.integrations.lightning import loggers, settings, values

__all__ = ["predicted", "recorded", "remember"]

_trained: WeakKeyDictionary[Any, tuple[Any, int]] = WeakKeyDictionary()
"""The run and the last epoch of each model that was trained here; nothing is put on the models."""

MODE = {"validate": "validating", "test": "testing"}


@guarded("remembering the model's run")
def remember(module: Any, run: Any, epoch: int | None) -> None:
    """Say in which run a model was trained, and how far."""
    _trained[module] = (run, epoch or 0)


def _model(call: Any) -> Any:
    given = call.argument("model")
    return settings.module_of(given) if given is not None else getattr(call.target, "lightning_module", None)


def recorded(call: Any, what: str) -> Generator[None, Any, None]:
    """Record the metrics of `validate` or `test`: in the model's run at its last epoch, or in a run of their own."""
    model, trainer = _model(call), call.target
    known = _trained.get(model) if model is not None else None
    if known is not None:
        run, epoch = known
        loggers.join(trainer, run)
        yield
        _log(run, trainer, epoch, what)
        return
    name = type(model).__name__ if model is not None else type(trainer).__name__
    tags = {"mlflow.autologging": "pytorch", "Mode": MODE[what]}
    with loggers.held(trainer), call.run(f"{name}.{what}", tags) as run:
        settings.log_call(run, call)
        yield
        _log(run, trainer, 0, what)


def _log(run: Any, trainer: Any, epoch: int, what: str) -> None:
    if not trainer.is_global_zero:
        return
    found = values.floats(values.computed(trainer))
    if found:
        if not loggers.ours(trainer):  # those have recorded them
            run.log_metrics(found, step=epoch)
        run.set_tags({"Mode": MODE[what]})


def predicted(call: Any) -> Generator[None, Any, None]:
    """Record how long predictions took, in the model's run or the user's; for them alone there is no run."""
    model = _model(call)
    clock = time.perf_counter()
    yield
    found = {"predict_time": time.perf_counter() - clock}
    known = _trained.get(model) if model is not None else None
    if known is not None:
        known[0].log_metrics(found, step=known[1])
    elif fitscribe.active_run() is not None:
        fitscribe.log_metrics(found)
