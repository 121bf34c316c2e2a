"""The configuration of a fit: its arguments, what the model was compiled with, and where it runs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.keras import rates
from fitscribe.models import kerasfiles, kinds

__all__ = ["log", "optimizer_config"]

ARGUMENTS = (
    "epochs",
    "batch_size",
    "validation_split",
    "shuffle",
    "class_weight",
    "sample_weight",
    "initial_epoch",
    "steps_per_epoch",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)
DEFAULT_BATCH = 32  # of `fit`, where data that it cuts itself come without one
SHARED = ("name", "learning_rate")  # that dashboards made for MLflow's TensorFlow flavor look for, as `opt_...`


def log(run: Any, call: Any, batch_size: Any, prefix: str) -> None:
    """Record the configuration; keys of the optimizer begin with `prefix`: `optimizer`, or `opt` as TensorFlow's."""
    model = call.target
    with guarded("reading the arguments of fit"):
        run.log_params({**_arguments(call), "batch_size": batch_size})
    with guarded("reading the optimizer"):
        found: dict[str, Any] = {}
        named: dict[str, Any] = {}
        for name, optimizer in rates.optimizers_of(model):
            config = optimizer_config(optimizer)
            found = found if name else config
            named |= {f"{name or prefix}_{key}": value for key, value in config.items()}
        if prefix != "opt":
            named |= {f"opt_{key}": found[key] for key in SHARED if key in found}
        run.log_params(named)
    with guarded("reading what the model was compiled with"):
        run.log_params(_compiled(model))
    with guarded("reading where the model runs"):
        run.log_params(_surroundings(model))


def _arguments(call: Any) -> dict[str, Any]:
    return {name: _plain(call.argument(name)) for name in ARGUMENTS}


def _plain(value: Any) -> Any:
    """Return a value that makes a param; of arrays the shape, for their numbers are data."""
    shape = getattr(value, "shape", None)
    if shape is not None and not isinstance(value, (int, float)) and tuple(shape):
        return f"{type(value).__name__} of shape {tuple(shape)}"
    if (isinstance(value, (list, tuple)) and len(value) > 10) or kinds.kind_of(value) in ("frame", "series"):
        return f"{type(value).__name__} of {len(value)}"
    return value


def optimizer_config(optimizer: Any) -> dict[str, Any]:
    """Return the hyper-parameters of an optimizer, flat; a schedule's own under `learning_rate_...`.

    Its `get_config` alone would serialize a schedule, which imports TensorFlow for seconds where it is installed.
    """
    if optimizer is None:
        return {}
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        scaling = ("initial_scale", "dynamic_growth_steps")
        own = {key: getattr(optimizer, key) for key in scaling if hasattr(optimizer, key)}
        return {**optimizer_config(inner), **own, "loss_scaled": True}
    config = {"name": getattr(optimizer, "name", type(optimizer).__name__)}
    with contextlib.suppress(NotImplementedError):  # an optimizer of the user's need not have one
        config = _config_without_rate(optimizer)
    schedule = rates.schedule_of(optimizer)
    if schedule is None:
        rate = getattr(optimizer, "_learning_rate", None)
        return _flat({**config, "learning_rate": _named(rate) if callable(rate) else rates.rate_of(optimizer)})
    config["learning_rate"] = type(schedule).__name__
    return _flat(config) | {f"learning_rate_{key}": value for key, value in _flat(schedule.get_config()).items()}


def _config_without_rate(optimizer: Any) -> dict[str, Any]:
    """Ask a stand-in that shares the optimizer's settings and has a number for its rate: nothing is serialized."""
    twin = object.__new__(type(optimizer))
    vars(twin).update(vars(optimizer))
    vars(twin)["_learning_rate"] = 0.0
    try:
        return dict(twin.get_config())
    except UnboundLocalError:  # Keras 3.6 has no answer for a number
        with kerasfiles.light():
            return dict(optimizer.get_config())


def _flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{above}{key}_")
        else:
            found[f"{above}{key}"] = value
    return found


def _compiled(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if (loss := getattr(model, "loss", None)) is not None:
        found["loss_function"] = _named(loss)
    told = getattr(getattr(model, "_compile_metrics", None), "_user_metrics", None)
    if told:
        found["compiled_metrics"] = _named(told)
    for name in ("run_eagerly", "jit_compile"):
        if hasattr(model, name):
            found[name] = getattr(model, name)
    if hasattr(model, "steps_per_execution"):
        found["steps_per_execution"] = rates.whole(model.steps_per_execution)
    return found


def _named(thing: Any) -> Any:
    """Return the names of losses and metrics, as they were given: one, several, or by output."""
    if isinstance(thing, str):
        return thing
    if isinstance(thing, Mapping):
        return {str(key): _named(each) for key, each in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [_named(each) for each in thing]
    return getattr(thing, "name", None) or getattr(thing, "__name__", None) or type(thing).__name__


def _surroundings(model: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    keras = sys.modules.get("keras")
    if keras is not None and hasattr(keras, "backend"):
        found = {"keras_version": keras.__version__, "keras_backend": keras.backend.backend()}
        backend = sys.modules.get(found["keras_backend"])
        if backend is not None:
            found[f"{found['keras_backend']}_version"] = backend.__version__
        distribution = keras.distribution.distribution()
        if distribution is not None:
            found |= {"distribution": type(distribution).__name__, "devices": distribution.device_mesh.shape}
    strategy = getattr(model, "distribute_strategy", None) or getattr(model, "_distribute_strategy", None)
    if strategy is not None:
        found |= {"distribution": type(strategy).__name__, "devices": int(strategy.num_replicas_in_sync)}
    return found
