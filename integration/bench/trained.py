"""The work behind `models`: a trained model is logged twice and loaded, and what every step takes is told."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "SCENARIOS"]

clock = time.perf_counter


def small(_: str) -> tuple[Any, Any, str, dict[str, Any]]:
    """A forest of ten trees: what most people log."""
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    X, y = load_iris(return_X_y=True, as_frame=True)
    return RandomForestClassifier(10, random_state=0).fit(X, y), X, "sklearn", {"serialization_format": "cloudpickle"}


def large(_: str) -> tuple[Any, Any, str, dict[str, Any]]:
    """Neighbours that remember 100 MB."""
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier

    X = np.random.default_rng(0).normal(size=(200_000, 64))
    model = KNeighborsClassifier(algorithm="brute").fit(X, np.arange(len(X)) % 2)
    return model, X[:1000], "sklearn", {"serialization_format": "cloudpickle"}


def own(mode: str) -> tuple[Any, Any, str, dict[str, Any]]:
    """A python model of one's own."""
    import numpy as np

    flavor = tracker_of(mode if mode != "none" else "fitscribe").pyfunc

    class Doubled(flavor.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input * 2

    Doubled.__module__ = "__main__"  # as in a script of the user's: it goes into the model whole
    return Doubled(), np.ones((100, 3)), "pyfunc", {}


def torch(_: str) -> tuple[Any, Any, str, dict[str, Any]]:
    """A module of PyTorch with a million weights."""
    import numpy as np
    from torch import nn

    model = nn.Sequential(nn.Linear(1000, 1000), nn.ReLU(), nn.Linear(1000, 1))
    return model, np.ones((100, 1000), dtype=np.float32), "pytorch", {}


def keras(_: str) -> tuple[Any, Any, str, dict[str, Any]]:
    """A model of Keras with a million weights."""
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((1000,)), keras.layers.Dense(1000, "relu"), keras.layers.Dense(1)])
    return model, np.ones((100, 1000), dtype=np.float32), "keras", {}


Kind = Callable[[str], tuple[Any, Any, str, dict[str, Any]]]
KINDS: dict[str, Kind] = {"sklearn": small, "sklearn, 100 MB": large, "pyfunc": own, "pytorch": torch, "keras": keras}


def tracker_of(mode: str) -> Any:
    if mode == "mlflow":
        import mlflow as tracker
    else:
        import fitscribe as tracker
    return tracker


def models(mode: str, argument: str) -> dict[str, float]:
    """Log a model the first time and again, until all is there, and load it; `KIND:plain` or `KIND:example`.

    `none` writes the model with pickle, or by the framework's own means, and reads it again.
    """
    kind, _, how = argument.rpartition(":")
    model, data, flavor, options = KINDS[kind](mode)
    if mode == "none":
        return written(model, flavor)
    tracker = tracker_of(mode)
    if how == "example":
        options = {**options, "input_example": data[:5]}
    if flavor == "pyfunc":
        model, options = None, {**options, "python_model": model}
    log = getattr(tracker, flavor).log_model
    arguments = () if model is None else (model,)
    tracker.start_run()
    found: dict[str, float] = {}
    for word in ("first", "again"):
        began = clock()
        log(*arguments, name=f"model-{word}", **options)
        found[word] = (clock() - began) * 1e3
        settle(mode)
        found[f"{word}, there"] = (clock() - began) * 1e3
    run_id = tracker.active_run().info.run_id
    tracker.end_run()
    settle(mode)
    began = clock()
    getattr(tracker, flavor).load_model(f"runs:/{run_id}/model-again")
    return {**found, "load": (clock() - began) * 1e3}


def settle(mode: str) -> None:
    if mode == "fitscribe":
        tracker_of(mode).flush(300)


def written(model: Any, flavor: str) -> dict[str, float]:
    """Write and read a model as nobody but its framework would."""
    began = clock()
    file = Path("model.keras" if flavor == "keras" else "model")
    if flavor == "keras":
        model.save(file)
    elif flavor == "pytorch":
        import torch

        torch.save(model, file)
    elif flavor == "sklearn":
        file.write_bytes(pickle.dumps(model))
    took = (clock() - began) * 1e3
    return {"first": took, "again": took, "first, there": took, "again, there": took, "load": read(file, flavor)}


def read(file: Path, flavor: str) -> float:
    began = clock()
    if flavor == "keras":
        import keras

        keras.saving.load_model(file)
    elif flavor == "pytorch":
        import torch

        torch.load(file, weights_only=False)
    elif flavor == "sklearn":
        pickle.loads(file.read_bytes())
    return (clock() - began) * 1e3


SCENARIOS: dict[str, Callable[[str, str], dict[str, float]]] = {"models": models}
