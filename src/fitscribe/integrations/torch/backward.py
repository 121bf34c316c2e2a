"""Where the loss comes from: what `backward` is called on; and what is scaled before, or clipped after."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch import compiling, steps
from fitscribe.integrations.torch.here import Here, here
from fitscribe.integrations.torch.readings import Number, taken

__all__ = ["clipped", "followed", "scaled"]


def followed(call: Any) -> Generator[None, Any, None]:
    """Take the loss of a call of `backward`, and see which optimizers' gradients it reaches."""
    if call.argument("grad_tensors") is not None or call.argument("inputs") is not None:
        return  # part of a larger backward
    place = here()
    if place.backward:
        return
    if place.ready is not call.integration.patches:
        steps.watch(call.integration)
        compiling.unseen(call.integration)
        place.ready = call.integration.patches
    for training in list(place.trainings):
        training.begin(call)
    value = _value(call, place)
    _note(place, value)
    before = [(each, each.touched()) for training in place.trainings for each in training.followed]
    place.backward, going = True, [each for each in place.trainings if each.open]
    try:
        yield
    except BaseException as error:
        for training in going if len(going) == 1 else ():  # of several, nobody knows whose it was
            training.broken = "FAILED" if isinstance(error, Exception) else "KILLED"
        raise
    else:
        for training in going:
            training.broken = ""
    finally:
        place.backward = False
        for each, state in before:
            each.reached(place, state, value)


def _value(call: Any, place: Here) -> Number | None:
    with guarded("reading a loss"):
        given = call.argument("tensors")
        tensors = given if isinstance(given, (list, tuple)) else [given]
        if len(tensors) != 1:
            return None
        loss = tensors[0]
        scaled, place.scaled = place.scaled, None
        if loss.device.type != "cpu" and not _wanted(place):
            return None
        return taken(scaled[1] if scaled is not None and scaled[0]() is loss else loss)
    return None


def _wanted(place: Here) -> bool:
    """True when the next step of an optimizer is one that is recorded."""
    return not place.trainings or any(training.due() for training in place.trainings)


def _note(place: Here, value: Number | None) -> None:
    if place.inside:  # a closure, which may be called several times: the first loss is that of the step
        place.losses = place.losses if place.evaluated else [value]
        return
    if place.stepped:
        place.losses, place.stepped = [], False
    place.losses = [*place.losses[-1:], value]  # more than one is all that has to be known


def scaled(call: Any) -> Generator[None, Any, None]:
    """Keep what a GradScaler was given, for the `backward` that is called on what it returns."""
    result = yield
    with guarded("following a GradScaler"):
        given = call.argument("outputs")
        place = here()
        place.scaled = None
        if given is not result and hasattr(given, "detach"):
            place.scaled = weakref.ref(result), given.detach()


def clipped(call: Any) -> Generator[None, Any, None]:
    """Keep the norm that clip_grad_norm_ found, which costs nothing more."""
    result = yield
    with guarded("following clip_grad_norm_"):
        place = here()
        if not place.trainings or any(training.due() for training in place.trainings):
            place.norm = taken(result)
        if not place.clipping:
            place.clipping = {
                "clip_grad_norm": call.argument("max_norm"),
                "clip_grad_norm_type": call.argument("norm_type"),
            }
