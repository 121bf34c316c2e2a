"""Passes over data: an epoch is a pass in which an optimizer steps."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Generator
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch.here import Here, here
from fitscribe.integrations.torch.inputs import FirstBatch

__all__ = ["Pass", "begun", "current"]


def facts_of(loader: Any) -> dict[str, Any]:
    """Return the settings of a DataLoader, and how much it holds where its data know that."""
    batches = loader.batch_sampler
    while hasattr(batches, "batch_sampler"):  # Accelerate wraps it
        batches = batches.batch_sampler
    sampler = type(getattr(batches, "sampler", None) or loader.sampler).__name__
    facts = {
        "batch_size": loader.batch_size or getattr(batches, "batch_size", None),
        "sampler": sampler,
        "num_workers": loader.num_workers,
        "drop_last": getattr(batches, "drop_last", loader.drop_last),
        "pin_memory": loader.pin_memory,
        "dataset": type(loader.dataset).__name__,
    }
    if "Random" in sampler or sampler == "SequentialSampler":  # of others, nobody knows
        facts["shuffle"] = "Random" in sampler
    if hasattr(type(loader.dataset), "__len__"):
        facts |= {"dataset_size": len(loader.dataset), "steps_per_epoch": len(loader)}
    return facts


def _weakly(data: Any) -> Callable[[], Any]:
    """Hold data weakly; what cannot be held so, such as a list, is not looked at."""
    return weakref.ref(data) if type(data).__weakrefoffset__ else lambda: None


class Pass:
    """One pass of a DataLoader; it is over when nobody holds its iterator any more."""

    def __init__(self, loader: Any, iterator: Any) -> None:
        """Hold neither of them."""
        self.facts = facts_of(loader)
        self.data = _weakly(loader.dataset)
        self.batch: dict[str, Any] = {}  # types and shapes of its first batch, where somebody looked
        self.iterator = weakref.ref(iterator, self._gone)
        self.began = time.perf_counter()
        self.ended: float | None = None
        self.steps = 0  # of an optimizer
        self.single = self.facts.get("steps_per_epoch") == 1

    @property
    def is_epoch(self) -> bool:
        """True for more than one batch: `next(iter(loader))` for each step makes no epochs."""
        return self.steps > 1 or (self.single and self.steps == 1)

    @property
    def is_epoch_since_now(self) -> bool:
        """True when the last step has made it an epoch."""
        return self.steps == (1 if self.single else 2)

    def _gone(self, _: Any) -> None:
        self.ended = self.ended or time.perf_counter()


def begun(call: Any) -> Generator[None, Any, None]:
    """Note that a pass has begun."""
    result = yield
    with guarded("following a DataLoader"):
        place = here()
        for each in place.passes:
            if each.iterator() is result and each.ended is None:  # persistent workers: it is used again
                each.ended = time.perf_counter()
        place.passes = [each for each in place.passes if each.ended is None]
        passing = Pass(call.target, result)
        place.passes.append(passing)
        if all(training.record is None for training in place.trainings):
            _look(call.integration, passing, result)
        place.passed += 1


def _look(integration: Any, passing: Pass, iterator: Any) -> None:
    """Look at the first batch of a pass that a training may begin with."""
    if any(isinstance(each, FirstBatch) and each.there for each in integration.patches):
        return
    integration.patches[:] = [each for each in integration.patches if not isinstance(each, FirstBatch)]
    integration.patches.append(FirstBatch(passing, iterator))


def current(place: Here) -> Pass | None:
    """Return the pass that goes on, the innermost one, or None."""
    return next((each for each in reversed(place.passes) if each.ended is None), None)
