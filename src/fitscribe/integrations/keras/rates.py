"""The learning rate by epoch: a plain one is read at once, a schedule is worked out in the background."""

from __future__ import annotations

from functools import partial
from typing import Any

from fitscribe import guarded

__all__ = ["log", "rate_of", "schedule_of", "steps_of"]


@guarded("reading the learning rate")
def log(run: Any, model: Any, epoch: int, steps: int) -> None:
    """Record the learning rate at the end of an epoch, of which `steps` came before in this fit."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None:
        return
    schedule = schedule_of(optimizer)
    if schedule is not None:
        run.later(partial(_worked_out, run, schedule, epoch, steps))
        return
    found = rate_of(optimizer)
    if found is not None:
        run.log_metrics({"learning_rate": found}, step=epoch)


def schedule_of(optimizer: Any) -> Any:
    """Return the optimizer's schedule, None where the rate is a number."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = getattr(optimizer, "_learning_rate", None)
    return rate if callable(rate) and hasattr(rate, "get_config") else None


def rate_of(optimizer: Any) -> float | None:
    """Return a learning rate that is a number; None where there is none."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    rate = getattr(optimizer, "_learning_rate", None)
    if rate is None or callable(rate):
        return None
    return float(_value(rate))


def steps_of(model: Any) -> int:
    """Return the steps that a model's optimizer has taken in its life; 0 without one."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    taken = getattr(optimizer, "_iterations", None)
    return 0 if taken is None else int(_value(taken))


def _value(variable: Any) -> Any:
    """Return what a variable holds, as its backend has it; Keras's own `numpy()` makes torch warn of a copy."""
    value = getattr(variable, "value", variable)
    return value.detach() if hasattr(value, "detach") else value() if callable(value) else value


@guarded("working out the learning rate")
def _worked_out(run: Any, schedule: Any, epoch: int, steps: int) -> None:
    run.log_metrics({"learning_rate": float(schedule(steps))}, step=epoch)
