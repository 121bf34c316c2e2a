"""Tuner: what it found goes to the run of the next `fit` of its trainer; its own short fits make no runs."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any
from weakref import WeakKeyDictionary

from fitscribe import guarded

__all__ = ["log_curve", "log_found", "rate_found", "size_found"]

FINDER = "finder"

_found: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()


def rate_found(call: Any) -> Generator[None, Any, None]:
    """Remember the learning rate that `lr_find` suggests, and the curve behind it."""
    result = yield
    with guarded("reading what the tuner found"):
        if result is not None:
            told = {f"lr_find_{name}": call.argument(name) for name in ("min_lr", "max_lr", "num_training", "mode")}
            _remember(call, told | {FINDER: result})


def size_found(call: Any) -> Generator[None, Any, None]:
    """Remember the batch size that `scale_batch_size` found."""
    result = yield
    with guarded("reading what the tuner found"):
        if result is not None:
            told = {
                f"batch_size_finder_{name}": call.argument(name) for name in ("mode", "steps_per_trial", "init_val")
            }
            _remember(call, told | {"batch_size_finder_result": result})


def _remember(call: Any, told: dict[str, Any]) -> None:
    trainer = getattr(call.target, "_trainer", None)
    if trainer is not None:
        _found.setdefault(trainer, {}).update(told)


@guarded("recording what the tuner found")
def log_found(run: Any, trainer: Any) -> None:
    """Record what was found for this trainer since its last fit."""
    told = _found.pop(trainer, {})
    finder = told.pop(FINDER, None)
    run.log_params(told)
    if finder is not None:
        log_curve(run, finder)


def log_curve(run: Any, finder: Any) -> None:
    """Record the losses by learning rate, and the one that was suggested; to ask again would complain again."""
    place = finder._optimal_idx
    if place is not None:
        run.log_params({"lr_find_suggestion": finder.results["lr"][place]})
    run.log_text(json.dumps(finder.results, indent=2), "lr_find.json")
