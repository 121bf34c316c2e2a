"""The steps of optimizers: which of them are steps of a training, and which only lie within one."""

from __future__ import annotations

import weakref
from typing import Any

from fitscribe import guarded, unwatched
from fitscribe.integrations.torch import joining
from fitscribe.integrations.torch.here import Here, here, turns

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
        turns[0] += 1


def watch(integration: Any) -> None:
    """Let the hooks be there, once, for as long as the integration is on."""
    if not any(isinstance(each, Hooks) for each in integration.patches):
        integration.patches.append(Hooks())


def enter(optimizer: Any) -> None:
    """Note that a step begins; at each step, so nothing in it can fail."""
    place = here()
    step = weakref.ref(optimizer)
    if step in place.inside:  # the step before was left by an error, or this is its super().step()
        place.inside.clear()
    place.inside.append(step)
    place.entered, place.evaluated = True, False


def stepped(optimizer: Any) -> None:
    """Record a step that was taken."""
    with guarded("recording a step"):
        place = here()
        outermost = _leave(place, optimizer)
        if place.backward or not outermost or unwatched.here():
            return  # an optimizer within the backward or within another one; or a framework's fit
        followed = joining.followed(optimizer, place)
        place.stepped = True
        if followed is not None:
            followed.training.stepped(followed, optimizer, place)
        place.norm, place.unheard = None, False
        place.idle, place.turn = followed is not None and all(each.idle for each in place.trainings), turns[0]


def _leave(place: Here, optimizer: Any) -> bool:
    """Return True at the end of a step that lies in no other, once for each; our hooks may come in its midst."""
    found = not place.entered
    while place.inside and not found:
        found = place.inside.pop()() is optimizer
    return found and not place.inside
