"""What a built model is made of: its summary, its size, its config as JSON, and its picture."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from functools import partial
from importlib import util
from typing import Any

from fitscribe import guarded
from fitscribe.models import kerasfiles

__all__ = ["class_of", "log"]


def log(run: Any, model: Any, whole: bool) -> None:
    """Record the size and `model_summary.txt` of a model; with `whole` also its config and, by pydot, a picture."""
    run.log_params(_size(model))
    lines: list[str] = []
    with guarded("writing the model's summary"):
        model.summary(print_fn=lambda line, line_break=None: lines.append(line))
        run.log_text("\n".join(lines) + "\n", "model_summary.txt")
    if not whole:
        return
    with guarded("writing the model's config"), suppress(NotImplementedError), kerasfiles.light():
        # a class of the user's may have none, which is no error of anybody's
        run.log_text(json.dumps(_config(model), indent=2, default=str), "model_config.json")
    if util.find_spec("pydot") is not None:
        run.later(partial(_draw, run, model))


def class_of(thing: Any) -> str:
    """Return the name of a thing's class with its module."""
    kind = type(thing)
    return f"{kind.__module__}.{kind.__qualname__}"


def _size(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"model_class": class_of(model), "layers": len(getattr(model, "layers", ()))}
    if getattr(model, "built", False):
        trainable, frozen = (_count(getattr(model, name)) for name in ("trainable_weights", "non_trainable_weights"))
        found |= {
            "total_params": trainable + frozen,
            "trainable_params": trainable,
            "non_trainable_params": frozen,
        }
    policy = getattr(model, "dtype_policy", None)
    return {**found, **({} if policy is None else {"dtype_policy": getattr(policy, "name", str(policy))})}


def _count(weights: Any) -> int:
    return sum(math.prod(int(length) for length in weight.shape) for weight in weights)


def _config(model: Any) -> dict[str, Any]:
    """Return the layers as Keras serializes them; not what it was compiled with, which is among the params."""
    return {"class_name": type(model).__name__, "config": model.get_config()}


def _draw(run: Any, model: Any) -> None:
    import keras

    path = run.spool_path("model.png")
    with guarded("drawing the model"):
        keras.utils.plot_model(model, to_file=str(path), show_shapes=True, show_layer_names=True)
        if path.exists():
            run.log_spooled(path, "model.png")
