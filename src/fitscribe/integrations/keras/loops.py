"""Loops by `train_on_batch`: one run for a model, one step for a call.

The run is the user's active one, or one of ours that lasts until the model is let go of, fitted, or the process ends;
its end is then that of the last call. The model is not recorded: `fitscribe.keras.log_model` does it when wanted.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Generator
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.identity import ByIdentity
from fitscribe.integrations.keras import architecture, evaluation, joining, settings, tuning

__all__ = ["over", "stepped"]

_loops: ByIdentity[Loop] = ByIdentity()


class Loop:
    """The run of a model that is trained batch by batch."""

    def __init__(self, run: Any, ours: bool) -> None:
        """`ours`: the run was begun for this, and is to be ended."""
        self.run, self.ours = run, ours
        self.process, self.step = os.getpid(), 0
        self.at: int | None = None  # of the last call, in milliseconds since 1970
        self.names: list[str] = []  # of the values that a call returns

    @property
    def open(self) -> bool:
        """True while the run can be written to, from this process."""
        return self.run.ended is None and self.process == os.getpid()

    def end(self, status: str = "FINISHED") -> None:
        """End the run if it is ours, as of the last call, in the background: the collector of garbage may ask."""
        if self.ours and self.open:
            self.run.later(partial(self.run.end, status, self.at))


def stepped(call: Any) -> Generator[None, Any, None]:
    """Record a call of `train_on_batch` as the next step of its model's run."""
    model = call.target
    if not tuning.is_recorded(call):
        return
    loop = _loops.get(model)
    if loop is None or not loop.open:
        loop = _begun(call, model)
    result = None
    try:
        result = yield
    except BaseException as error:
        _failed(loop, model, error)
        raise
    _log(loop, call, model, result)


@guarded("recording train_on_batch")
def _log(loop: Loop, call: Any, model: Any, result: Any) -> None:
    loop.at = round(time.time() * 1000)
    every = call.options["log_every_n_steps"] or 1
    if loop.step == 0:
        architecture.log(loop.run, model, call.options["log_architecture"])
    if loop.step % every == 0:
        loop.run.log_metrics(_named(loop, model, result), step=loop.step, at=loop.at)
    loop.step += 1
    evaluation.remember(model, loop.run, loop.step - 1)


def _named(loop: Loop, model: Any, result: Any) -> dict[str, Any]:
    """Return what a call returned by names: a dict, one loss, or values in the order that Keras gives them."""
    if isinstance(result, dict):
        return dict(result)
    values = list(result) if isinstance(result, (list, tuple)) else [result]
    if len(values) == 1:
        return {"loss": values[0]}
    if len(loop.names) != len(values):  # to ask each time would compute every metric once more
        loop.names = _names(model, len(values))
    return dict(zip(loop.names, values, strict=True))


def _names(model: Any, wanted: int) -> list[str]:
    """Name the values of a call as Keras orders them: by the model's metrics, and the rest by the alphabet."""
    if joining.is_legacy(model):
        return list(model.metrics_names)  # to ask for the values would make the workers of a cluster wait
    ordered: list[str] = []
    for metric in model.metrics:
        inner = getattr(metric, "metrics", None)  # what `compile` was given, in one
        ordered += [metric.name] if inner is None else [each.name for each in inner]
    found = list(model.get_metrics_result())
    names = [name for name in dict.fromkeys(ordered) if name in found]
    names += sorted(name for name in found if name not in names)
    return names if len(names) == wanted else [f"value_{place}" for place in range(wanted)]


def _begun(call: Any, model: Any) -> Loop:
    with tuning.fitting(call, type(model).__name__) as run:
        ours, call.owned = call.owned is not None, None  # it outlives this call
        loop = Loop(run, ours)
        _loops.put(model, loop)
        weakref.finalize(model, loop.end).atexit = False
        settings.log(run, call, None, "opt" if call.integration.name == "tensorflow" else "optimizer")
    return loop


def _failed(loop: Loop, model: Any, error: BaseException) -> None:
    """A call that failed is told; the run goes on with the next one, unless this was the first, or Ctrl-C."""
    loop.run.set_tags({"fitscribe.error": f"{type(error).__name__}: {error}"})
    if loop.step and isinstance(error, Exception):
        return
    _loops.pop(model)
    loop.end("FAILED" if isinstance(error, Exception) else "KILLED")


@guarded("ending a loop's run")
def over(model: Any) -> None:
    """Say that a model is fitted: its run of `train_on_batch` is over."""
    loop = _loops.pop(model)
    if loop is not None:
        loop.end()
