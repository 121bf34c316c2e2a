"""Which training an optimizer's step belongs to: one that goes on, or a new one."""

from __future__ import annotations

import weakref
from typing import Any

from fitscribe.integrations.torch.followed import Followed
from fitscribe.integrations.torch.here import Here
from fitscribe.integrations.torch.training import Training

__all__ = ["followed", "over", "together"]

WARM_UP = 100  # steps that one optimizer may take before another of the same loop takes its first

_followed: weakref.WeakKeyDictionary[Any, Followed] = weakref.WeakKeyDictionary()


def followed(optimizer: Any, place: Here) -> Followed | None:
    """Return what is known of an optimizer that has just stepped; None where it has no loss of ours."""
    known = _followed.get(optimizer)
    losses = [] if place.stepped else place.losses
    if known is not None and known.training.open and known.training.process == place.process:
        if not known.steps:  # a watched one
            known.parts = losses[:] if len(losses) == 1 else []
        return known
    if not place.losses and not place.unheard:
        return None
    training = _of_same_loop(optimizer, place)
    if training is None:
        training = Training(again=known is not None)
        place.trainings.append(training)
    made = _added(training, optimizer)
    made.parts = losses[:] if len(losses) == 1 else []  # of several, nobody knows yet which are its own
    return made


def _of_same_loop(optimizer: Any, place: Here) -> Training | None:
    """Return the open training that steps in turn with this optimizer, as in a GAN, or trained the same weights.

    In turn means: the optimizer was there when the training began, which has taken few steps, and no pass over data
    has begun since the last of them.
    """
    place.trainings = [each for each in place.trainings if each.open]
    for training in reversed(place.trainings):
        if training.trains(optimizer):
            return training
    last = place.trainings[-1] if place.trainings else None
    if last is None or last.watched:
        return None
    in_turn = last.expects(optimizer) and last.steps <= WARM_UP and last.passed == place.passed
    return last if in_turn else None


def _added(training: Training, optimizer: Any) -> Followed:
    made = training.add(optimizer)
    _followed[optimizer] = made
    weakref.finalize(optimizer, training.left).atexit = False
    return made


def together(optimizers: list[Any], models: list[Any], name: str, place: Here, keep: bool = False) -> Training:
    """Begin a training of optimizers that the user named; what they were in before is over. `keep`: the models, too."""
    for optimizer in optimizers:
        over(optimizer)
    training = Training(watched=True, name=name, models=models)
    training.kept = models if keep else []
    for optimizer in optimizers:
        _added(training, optimizer)
    place.trainings = [each for each in place.trainings if each.open] + [training]
    return training


def over(optimizer: Any) -> None:
    """End the training that an optimizer is in."""
    known = _followed.pop(optimizer, None)
    if known is not None:
        known.training.finish()
