"""The steps of optimizers: which of them are steps of a training, and which only lie within one."""

from __future__ import annotations

import weakref
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch import joining
from fitscribe.integrations.torch.here import Here, busy, here

__all__ = ["enter", "stepped", "watch"]


class Hooks:
    """Our two hooks, that are taken away as patches are."""

    key = "the steps of torch's optimizers"

    def __init__(self) -> None:
        """Register them."""
        from torch.optim import optimizer

        from fitscribe.integrations.torch import hooks

        self.handles = (
            optimizer.register_optimizer_step_pre_hook(hooks.before),
            optimizer.register_optimizer_step_post_hook(hooks.after),
        )

    def undo(self) -> None:
        """Take the hooks away."""
        for handle in self.handles:
            handle.remove()


def watch(integration: Any) -> None:
    """Let the hooks be there, once, for as long as the integration is on."""
    if not any(isinstance(each, Hooks) for each in integration.patches):
        integration.patches.append(Hooks())


@guarded("following an optimizer")
def enter(optimizer: Any) -> None:
    """Note that a step begins."""
    place = here()
    if any(each() is optimizer for each in place.inside):  # the step before was left by an error
        place.inside.clear()
    place.inside.append(weakref.ref(optimizer))
    place.evaluated = False


@guarded("recording a step")
def stepped(optimizer: Any) -> None:
    """Record a step that was taken."""
    place = here()
    outermost = _leave(place, optimizer)
    if place.backward or not outermost or busy():
        return  # an optimizer within the backward or within another one; or a framework's fit
    followed = joining.followed(optimizer, place)
    place.stepped = True
    if followed is not None:
        followed.training.stepped(followed, optimizer, place)
    place.norm = None


def _leave(place: Here, optimizer: Any) -> bool:
    while place.inside and place.inside.pop()() is not optimizer:
        pass
    return not place.inside
