"""The learning rate by epoch: a plain one is read at once, a schedule is worked out in the background.

Reading one number of an optimizer at the end of an epoch, when Keras has just read the metrics, costs 2 µs on torch,
4 on JAX and 14 on TensorFlow, and four times that when the processor has other things in its caches; by Keras's public
`learning_rate` it would be four times more, and a schedule's ops more still. So it is read once where nothing sets it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import islice
from typing import Any

from fitscribe import guarded

__all__ = ["at_work", "is_plain", "optimizers_of", "rate_of", "read", "schedule_of", "whole"]

MOST = 10  # optimizers that a list or dict of the model's may have


def read(run: Any, optimizers: Iterable[tuple[str, Any]], epoch: int) -> dict[str, float]:
    """Return the learning rate of each optimizer at the end of an epoch; what a schedule says is recorded later."""
    found: dict[str, float] = {}
    for name, optimizer in optimizers:
        key = f"{name}_learning_rate" if name else "learning_rate"
        schedule = schedule_of(optimizer)
        if schedule is not None:
            run.later(partial(_worked_out, run, schedule, key, epoch, _steps_of(optimizer)))
        elif (rate := rate_of(optimizer)) is not None:
            found[key] = rate
    return found


def optimizers_of(model: Any) -> list[tuple[str, Any]]:
    """Return the optimizers of a model: under "" the one it was compiled with, others by the attribute they are."""
    compiled = getattr(model, "optimizer", None)
    found = [] if compiled is None else [("", compiled)]
    for name, value in list(vars(model).items()):
        inside: Iterable[tuple[str, Any]] = [(name, value)]
        if isinstance(value, Mapping):
            inside = [(f"{name}_{key}", each) for key, each in islice(value.items(), MOST)]
        elif isinstance(value, (list, tuple)):
            inside = [(f"{name}_{place}", each) for place, each in enumerate(islice(value, MOST))]
        found += [(key, each) for key, each in inside if each is not compiled and _is_optimizer(each)]
    return found


def at_work(optimizers: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Leave out, after an epoch, the optimizer of `compile` where others are there and it has taken no step.

    A model that brings its own, such as a GAN, has Keras's default as well, which it may never use.
    """
    if len(optimizers) > 1 and not optimizers[0][0] and not _steps_of(optimizers[0][1]):
        return optimizers[1:]
    return optimizers


def is_plain(model: Any) -> bool:
    """Tell if a model trains as Keras has it, which sets no learning rate: by no step or optimizer of the user's."""
    own = (getattr(type(model), "train_step", None), type(getattr(model, "optimizer", None)))
    return all(str(getattr(each, "__module__", "")).startswith(("keras.src.", "tf_keras.src.")) for each in own)


def _is_optimizer(thing: Any) -> bool:
    return any(
        kind.__name__ in ("BaseOptimizer", "Optimizer") and kind.__module__.partition(".")[0] in ("keras", "tf_keras")
        for kind in type(thing).__mro__
    )


def _inner(optimizer: Any) -> Any:
    return getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss


def schedule_of(optimizer: Any) -> Any:
    """Return the optimizer's schedule, None where the rate is a number."""
    rate = getattr(_inner(optimizer), "_learning_rate", None)
    return rate if callable(rate) and hasattr(rate, "get_config") else None


def rate_of(optimizer: Any) -> float | None:
    """Return a learning rate that is a number; None where there is none, or a function of the user's tells it."""
    rate = getattr(_inner(optimizer), "_learning_rate", None)
    if rate is None or callable(rate):
        return None
    return float(_value(rate))


def _steps_of(optimizer: Any) -> int:
    """Return the steps that an optimizer has taken in its life: what its schedule is asked with."""
    taken = getattr(_inner(optimizer), "_iterations", None)
    return 0 if taken is None else int(_value(taken))


def whole(number: Any) -> int:
    """Return a whole number that may stand in a variable, as legacy Keras's `steps_per_execution` does."""
    return int(_value(number))


def _value(variable: Any) -> Any:
    """Return what a variable holds, as its backend has it; Keras's own `numpy()` makes torch warn of a copy."""
    value = getattr(variable, "value", variable)
    if hasattr(value, "detach"):
        return value.detach()
    if callable(value):
        return value()
    mirrored = getattr(value, "value", None)  # on several devices Keras's variable holds one of TensorFlow's
    return mirrored() if callable(mirrored) else value


@guarded("working out the learning rate")
def _worked_out(run: Any, schedule: Any, key: str, epoch: int, steps: int) -> None:
    run.log_metrics({key: float(schedule(steps))}, step=epoch)
