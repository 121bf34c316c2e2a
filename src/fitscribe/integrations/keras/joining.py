"""How our callback joins the list that Keras makes for a call, and leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.keras import batches

__all__ = ["Listener", "expected", "follows", "is_legacy", "joined", "joins"]


class Listener:
    """What hears of a call as it goes on, in the thread that makes it; of batches maybe in others, out of order."""

    hears_batches = False  # else `batch_end` is not called
    waits = False  # Keras goes on with the next batch only when `batch_end` has returned
    passing: batches.Passing | None = None  # where the first batches are noted, if anywhere

    def __init__(self, model: Any) -> None:
        """Hear of calls on one model."""
        self.model = model

    def train_begin(self, params: Mapping[str, Any]) -> None:
        """Hear that a training begins, with what Keras tells its callbacks of it."""

    def epoch_begin(self, epoch: int) -> None:
        """Hear that an epoch begins."""

    def epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Hear what an epoch came to, its validation included."""

    def batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """Hear how far a training has come within its epoch."""

    def test_begin(self) -> None:
        """Hear that an evaluation begins."""

    def test_end(self, logs: Mapping[str, float]) -> None:
        """Hear what an evaluation found."""


_listening: ContextVar[Listener | None] = ContextVar("fitscribe.keras.listening", default=None)


@contextmanager
def follows(listener: Listener, given: Any) -> Iterator[None]:
    """Let a listener hear of the call in this block; `given` are the callbacks that the user passed to it."""
    token = _listening.set(listener)
    ready = hasattr(given, "callbacks") and hasattr(given, "on_epoch_end")  # a CallbackList of the user's making
    mine = callback(listener) if ready else None
    before = getattr(given, "_async_train", False)
    if mine is not None:
        joined(given, mine)
    try:
        yield
    finally:
        _listening.reset(token)
        if mine is not None:
            given.callbacks[:] = [each for each in given.callbacks if each is not mine]
            if before:
                given._async_train = before


@guarded("joining Keras's callbacks")
def joins(call: Any) -> None:
    """Add our callback to a list that was just made, if it is that of the call that is followed."""
    made = call.target
    mine = expected(call.argument("model"))
    if mine is not None:
        joined(made, mine)


def joined(made: Any, mine: Any) -> None:
    """Put our callback into a list of Keras 3."""
    mine.params = made.params
    made.callbacks.append(mine)
    if mine.listener.waits and getattr(made, "_async_train", False):
        made._async_train = False


def expected(model: Any) -> Any:
    """Return the callback for a list that is made for this model, None if it is not that of the call in progress."""
    listener = _listening.get()
    if listener is None or model is not listener.model:
        return None
    _listening.set(None)  # one list for each call: another one on the same model is the user's own
    if listener.passing is not None:
        batches.watch(listener.passing)
    return callback(listener)


def callback(listener: Any) -> Any:
    """Return a callback, of the Keras that the model is of, that tells the listener what it wants to hear."""
    return _classes("tf_keras" if is_legacy(listener.model) else "keras")[1 if listener.hears_batches else 0](listener)


def is_legacy(model: Any) -> bool:
    """True for a model of Keras 2, as the package `tf_keras` has it."""
    return any(kind.__module__.partition(".")[0] == "tf_keras" for kind in type(model).__mro__)


@cache
def _classes(package: str) -> tuple[type, type]:
    return classes_on(import_module(f"{package}.callbacks").Callback)


def classes_on(parent: Any) -> tuple[type, type]:
    """Make the two callbacks, without and with a hook at every batch, for the package whose `Callback` it is.

    None of them reads `self.model`: on JAX that alone brings the whole state back from the device.
    """

    class Following(parent):  # type: ignore[misc]
        async_safe = True  # Keras may go on with the next batch meanwhile

        def __init__(self, listener: Any) -> None:
            super().__init__()
            self.listener = listener

        def set_model(self, model: Any) -> None:
            """Keep no second reference to the model."""

        @guarded("Keras: the beginning of a training")
        def on_train_begin(self, logs: Any = None) -> None:
            self.listener.train_begin(self.params or {})

        @guarded("Keras: the beginning of an epoch")
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.listener.epoch_begin(epoch)

        @guarded("Keras: the end of an epoch")
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.listener.epoch_end(epoch, logs or {})

        @guarded("Keras: the beginning of an evaluation")
        def on_test_begin(self, logs: Any = None) -> None:
            self.listener.test_begin()

        @guarded("Keras: the end of an evaluation")
        def on_test_end(self, logs: Any = None) -> None:
            self.listener.test_end(logs or {})

    class FollowingBatches(Following):
        @guarded("Keras: the end of a batch")
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.listener.batch_end(batch, logs or {})

    return Following, FollowingBatches
