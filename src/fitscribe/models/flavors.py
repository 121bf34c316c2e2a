"""The flavors by name: ours, and those that other packages bring."""

from __future__ import annotations

import importlib
from importlib import metadata
from types import ModuleType
from typing import Any

from fitscribe.errors import MisuseError

__all__ = ["FLAVORS", "GROUP", "LOADERS", "answers", "flavor", "flavor_of_loader", "key_of"]

GROUP = "fitscribe.flavors"  # entry points: modules with `write`, `load`, `predictor`, `runs_code` and `_load_pyfunc`

FLAVORS = {
    "catboost": "fitscribe.models.catboost",
    "keras": "fitscribe.models.keras",
    "lightgbm": "fitscribe.models.lightgbm",
    "lightning": "fitscribe.models.lightning",
    "pyfunc": "fitscribe.models.pyfunc",
    "pytorch": "fitscribe.models.pytorch",
    "sklearn": "fitscribe.models.sklearn",
    "statsmodels": "fitscribe.models.statsmodels",
    "tensorflow": "fitscribe.models.tensorflow",
    "xgboost": "fitscribe.models.xgboost",
}

LOADERS = {
    "mlflow.catboost": "catboost",
    "mlflow.keras": "keras",
    "mlflow.lightgbm": "lightgbm",
    "mlflow.pyfunc.loaders.code_model": "pyfunc",
    "mlflow.pyfunc.model": "pyfunc",
    "mlflow.pytorch": "pytorch",
    "mlflow.sklearn": "sklearn",
    "mlflow.statsmodels": "statsmodels",
    "mlflow.tensorflow": "tensorflow",
    "mlflow.xgboost": "xgboost",
}


def flavor(name: str) -> ModuleType:
    """Return the module of a flavor. `MisuseError`: there is none of that name."""
    if name in FLAVORS:
        return importlib.import_module(FLAVORS[name])
    for entry in metadata.entry_points(group=GROUP, name=name):
        found: ModuleType = entry.load()
        return found
    raise MisuseError(f"there is no flavor {name!r}; there are {', '.join(sorted(FLAVORS))}")


def key_of(module: ModuleType) -> str:
    """Return the key of a flavor in an MLmodel file, which is its module's name unless that says another."""
    return str(getattr(module, "FLAVOR", module.__name__.rpartition(".")[2]))


def flavor_of_loader(conf: dict[str, Any]) -> ModuleType | None:
    """Return the flavor that reads what `python_function` describes, or None where only its loader module can.

    A flavor of another package is its own loader module; what a model names beside these is not imported here.
    """
    loader = str(conf.get("loader_module"))
    if loader in LOADERS:
        return flavor(LOADERS[loader])
    for entry in metadata.entry_points(group=GROUP):
        if entry.value == loader:
            found: ModuleType = entry.load()
            return found
    return None


def answers(module: ModuleType, model: Any, rows: Any, **options: Any) -> Any:
    """Return what `pyfunc` will answer for these rows, asked of the model itself; None where it has no answer.

    A flavor has a function `answers(model, rows, **options)` of its own where `predict` is not the one to ask.
    """
    own = getattr(module, "answers", None)
    if own is not None:
        return own(model, rows, **options)
    ask = getattr(model, "predict", None) or getattr(model, "transform", None)
    return None if ask is None else ask(rows)
