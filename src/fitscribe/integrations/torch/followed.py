"""One optimizer of a training: which losses its gradients are of, and how far it is."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from fitscribe import guarded
from fitscribe.integrations.torch.here import Here
from fitscribe.integrations.torch.readings import Number

if TYPE_CHECKING:
    from fitscribe.integrations.torch.training import Training

__all__ = ["Followed"]


class Followed:
    """One optimizer of a training."""

    def __init__(self, training: Training, optimizer: Any) -> None:
        """Hold no optimizer, and no weight."""
        self.training, self.optimizer = training, weakref.ref(optimizer)
        self.probe: weakref.ref[Any] | None = None  # one of its weights that gets gradients
        self.state: tuple[int, int] | None = None  # of the probe's gradient, after the last backward
        self.parts: list[Number | None] = []  # losses whose gradients it steps on
        self.steps = 0
        self.rates: dict[str, Any] = {}  # as they were recorded last
        self.suffix = ""

    def touched(self) -> tuple[int, int] | None:
        """Return a sign that changes with the probe's gradient; None where there is none."""
        weight = None if self.probe is None else self.probe()
        gradient = None if weight is None else weight.grad
        return None if gradient is None else (id(gradient), gradient._version)

    @guarded("following a loss")
    def reached(self, place: Here, before: tuple[int, int] | None, value: Number | None) -> None:
        """Take a loss whose backward just ended, if its gradient came here; `before` is what `touched` said then."""
        after = self.touched()
        if after is None or after == before:
            return
        if place.inside:
            self.parts = self.parts if place.evaluated else [value]
            place.evaluated = True
        elif before is None or before != self.state:  # the gradients were cleared since the last one
            self.parts = [value]
        else:
            self.parts.append(value)
        self.state = after

    def take(self, optimizer: Any) -> tuple[Number, ...] | None:
        """Return the losses of the step that was just taken, whose sum it followed; None where one is not known."""
        self.steps += 1
        parts, self.parts = self.parts, []
        if self.probe is None or self.probe() is None:
            self.probe = next(
                (
                    weakref.ref(each)
                    for group in optimizer.param_groups
                    for each in group["params"]
                    if each.grad is not None
                ),
                None,
            )
            self.state = self.touched()
        known = tuple(each for each in parts if each is not None)
        return known if known and len(known) == len(parts) else None
