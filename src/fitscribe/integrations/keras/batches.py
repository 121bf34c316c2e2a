"""What a model is given by data that cannot be looked into: types and shapes of the first batches, as they pass.

A generator, a PyDataset or a DataLoader is asked for nothing: Keras asks, and what it gets is noted on its way.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from itertools import islice
from types import SimpleNamespace
from typing import Any

from fitscribe import guarded

__all__ = ["Passing", "made", "watch"]

LOOKS = 2  # batches: a length that differs between them is free, as Keras itself has it on TensorFlow

_made: ContextVar[weakref.ref[Any] | None] = ContextVar("fitscribe.keras.made", default=None)


class Passing:
    """Types and shapes of the inputs that have passed so far."""

    def __init__(self) -> None:
        """Nothing has passed yet."""
        self.told: Any = None  # a structure as the inputs have it, with shapes and types in place of tensors

    @guarded("looking at a batch")
    def note(self, batch: Any) -> None:
        """Note what the model is given of a batch; the batch is not kept."""
        given = batch[0] if isinstance(batch, (list, tuple)) and batch else batch
        self.told = _specs(given, self.told)


def _specs(given: Any, before: Any) -> Any:
    """Describe a structure of tensors, or None for what has other parts; a length that was another before is free."""
    if isinstance(given, Mapping):
        return {key: _specs(each, before[key] if before else None) for key, each in given.items()}
    if isinstance(given, (list, tuple)):
        return [_specs(each, before[place] if before else None) for place, each in enumerate(given)]
    shape, dtype = getattr(given, "shape", None), getattr(given, "dtype", None)
    if shape is None or dtype is None or getattr(shape, "rank", 0) is None:
        return None
    known = before.shape if before is not None else shape
    lengths = (None, *(now if now == then else None for now, then in zip(shape[1:], known[1:], strict=True)))
    return SimpleNamespace(shape=lengths, dtype=getattr(dtype, "name", None) or str(dtype).removeprefix("torch."))


@guarded("watching Keras's batches")
def made(iterator: Any) -> None:
    """Say what Keras will take its batches from: an `EpochIterator` that was just made, in this thread."""
    _made.set(weakref.ref(iterator))


@guarded("watching Keras's batches")
def watch(passing: Passing) -> None:
    """Note the first batches of the iterator that was made last: that of the call whose callbacks join now."""
    reference = _made.get()
    iterator = None if reference is None else reference()
    if iterator is None:
        return
    _made.set(None)
    spec = getattr(getattr(iterator, "_distributed_dataset", None), "element_spec", None)
    if spec is not None:  # on TensorFlow batches pass no Python, and this tells the same
        passing.note(spec)
    elif hasattr(iterator, "_get_iterator"):
        iterator._get_iterator = _noting(iterator._get_iterator, passing)


def _noting(taken: Callable[[], Any], passing: Passing) -> Callable[[], Any]:
    """Return what takes batches as `taken` does; the first ones of the first time are noted."""

    def taking() -> Any:
        batches = taken()
        return batches if passing.told is not None else _noted(iter(batches), passing)

    return taking


def _noted(batches: Iterator[Any], passing: Passing) -> Iterator[Any]:
    for batch in islice(batches, LOOKS):
        passing.note(batch)
        yield batch
    yield from batches
