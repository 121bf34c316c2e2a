"""What autologging of Keras costs: by epoch and by step on each backend, until the first epoch, and to switch it on.

Beside the time of an epoch or a step, which drifts with the machine, stands what its callbacks took: the part of it
that a tracker can make longer on the thread that trains.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from integration.bench.measuring import MODES, console, medians, ratio, table

__all__ = ["SCENARIOS", "keras"]

BACKENDS = ("tensorflow", "jax", "torch")
EPOCHS, STEPS, EVERY = 100, 500, 10
clock = time.perf_counter


def keras(uri: str, repeat: int, title: str) -> None:
    """Measure at the endpoint `uri`."""
    for what, argument, words in (
        ("epoch", "epochs", f"median of {EPOCHS} epochs of one step, {title}"),
        ("step", "steps", f"metrics every {EVERY} of {STEPS} steps, {title}"),
    ):
        made = table(
            f"Keras, {words}", "what", f"none us a {what}", "mlflow adds", "fitscribe adds",
            "its callbacks: none", "mlflow", "fitscribe", "CPU of it", "first epoch: none ms", "mlflow", "fitscribe",
            "delivered",
        )  # fmt: skip
        for backend in BACKENDS:
            found = medians("keras", f"{backend} {argument}", uri, repeat, MODES)
            none, theirs, ours = (found[mode] for mode in MODES)
            made.add_row(
                backend, f"{none['us']:.0f}", *(f"{each['us'] - none['us']:.0f}" for each in (theirs, ours)),
                *(f"{each['callbacks']:.1f}" for each in (none, theirs, ours)), f"{ours['cpu']:.1f}",
                *(f"{each['first']:.0f}" for each in (none, theirs, ours)), f"{ours['delivered'] / 1000:.2f} s",
            )  # fmt: skip
        console.print(made)
    made = table("import X; X.keras.autolog(), Keras being there", "what", "mlflow ms", "fitscribe ms", "ratio")
    for backend in BACKENDS:
        found = medians("keras_on", backend, uri, repeat, MODES[1:])
        theirs, ours = (found[mode]["ms"] for mode in MODES[1:])
        made.add_row(backend, f"{theirs:.0f}", f"{ours:.1f}", ratio(theirs, ours))
    console.print(made)


def keras_on(mode: str, backend: str) -> dict[str, float]:
    """Switch autologging on in a process that has Keras."""
    os.environ.update(KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
    import keras  # noqa: F401

    began = clock()
    switched(mode)
    return {"ms": (clock() - began) * 1e3}


def switched(mode: str, **options: Any) -> None:
    if mode == "mlflow":
        import mlflow

        mlflow.keras.autolog(log_models=False, **options)
    elif mode == "fitscribe":
        import fitscribe

        fitscribe.keras.autolog(log_models=False, **options)


def trained(mode: str, argument: str) -> dict[str, float]:
    """Train a small model: us of an epoch or a step, of its callbacks, and ms until the first epoch was over."""
    backend, what = argument.split()
    os.environ.update(KERAS_BACKEND=backend, TF_CPP_MIN_LOG_LEVEL="3")
    import numpy
    from keras import Input, Sequential, layers

    rng = numpy.random.default_rng(0)
    rows, epochs = (32 * STEPS, 2) if what == "steps" else (32, EPOCHS)
    x, y = rng.normal(size=(rows, 16)).astype("float32"), rng.normal(size=(rows, 1)).astype("float32")
    model = Sequential([Input((16,)), layers.Dense(32, "relu"), layers.Dense(1)])
    model.compile("adam", "mse", metrics=["mae"], jit_compile=False)
    model.fit(x[:320], y[:320], verbose=0)  # what is compiled and imported once is nobody's cost
    steps = {"log_every_epoch": False, "log_every_n_steps": EVERY} if what == "steps" and mode != "none" else {}
    switched(mode, **steps)
    seen = Seen("on_train_batch_end" if what == "steps" else "on_epoch_end")
    began = clock()
    model.fit(x, y, epochs=epochs, verbose=0)
    seen.stop()
    settle(mode)
    times = [later - sooner for sooner, later in zip(seen.ends, seen.ends[1:], strict=False)]
    return {
        "us": statistics.median(times) * 1e6,
        "callbacks": statistics.median(seen.took) * 1e6,
        "cpu": statistics.median(seen.cpu) * 1e6,
        "first": (seen.first - began) * 1e3,
        "delivered": (clock() - began) * 1e3,
    }


class Seen:
    """How long Keras's callbacks took at one of their hooks, and when; without being one of them."""

    def __init__(self, hook: str) -> None:
        """Begin to look."""
        from keras.src.callbacks.callback_list import CallbackList

        self.took: list[float] = []
        self.cpu: list[float] = []  # of this thread: what else the machine does is not in it
        self.ends: list[float] = []
        self.first = 0.0
        self.kind, self.before = CallbackList, {name: getattr(CallbackList, name) for name in (hook, "on_epoch_end")}
        for name, function in self.before.items():
            setattr(CallbackList, name, self._looked_at(function, name == hook, name == "on_epoch_end"))

    def _looked_at(self, function: Callable[..., Any], wanted: bool, epoch: bool) -> Callable[..., Any]:
        def looked_at(*args: Any, **kwargs: Any) -> Any:
            busy, began = time.thread_time(), clock()
            result = function(*args, **kwargs)
            ended = clock()
            if wanted:
                self.cpu.append(time.thread_time() - busy)
                self.took.append(ended - began)
                self.ends.append(ended)
            if epoch:
                self.first = self.first or ended
            return result

        return looked_at

    def stop(self) -> None:
        """Put back what was there."""
        for name, function in self.before.items():
            setattr(self.kind, name, function)


def settle(mode: str) -> None:
    if mode == "fitscribe":
        import fitscribe

        fitscribe.flush(300)


SCENARIOS: dict[str, Callable[[str, str], dict[str, float]]] = {"keras": trained, "keras_on": keras_on}
