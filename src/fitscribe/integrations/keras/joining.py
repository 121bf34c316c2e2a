"""How our callback joins the list that Keras makes for a call, and leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from fitscribe import guarded

__all__ = ["Listener", "expected", "follows", "is_legacy", "joins"]


class Listener(Protocol):
    """What hears of a call as it goes on; a method that is not there hears nothing."""

    model: Any
    every: int | None  # train batches between two that `batch_end` hears of; None: it hears of none


_listening: ContextVar[Listener | None] = ContextVar("fitscribe.keras.listening", default=None)


@contextmanager
def follows(listener: Listener, given: Any) -> Iterator[None]:
    """Let a listener hear of the call in this block; `given` are the callbacks that the user passed to it."""
    token = _listening.set(listener)
    ready = hasattr(given, "callbacks") and hasattr(given, "on_epoch_end")  # a CallbackList of the user's making
    mine = callback(listener) if ready else None
    if mine is not None:
        mine.params = given.params
        given.callbacks.append(mine)
    try:
        yield
    finally:
        _listening.reset(token)
        if mine is not None:
            given.callbacks[:] = [each for each in given.callbacks if each is not mine]


@guarded("joining Keras's callbacks")
def joins(call: Any) -> None:
    """Add our callback to a list that was just made, if it is that of the call that is followed."""
    made = call.target
    mine = expected(call.argument("model"))
    if mine is not None:
        mine.params = made.params
        made.callbacks.append(mine)


def expected(model: Any) -> Any:
    """Return the callback for a list that is made for this model, None if it is not that of the call in progress."""
    listener = _listening.get()
    if listener is None or model is not listener.model:
        return None
    _listening.set(None)  # one list for each call: another one on the same model is the user's own
    return callback(listener)


def callback(listener: Any) -> Any:
    """Return a callback, of the Keras that the model is of, that tells the listener what it wants to hear."""
    return _classes("tf_keras" if is_legacy(listener.model) else "keras")[1 if listener.every else 0](listener)


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
