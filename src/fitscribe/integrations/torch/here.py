"""What is going on in this thread: the losses since the last step, the trainings, and where they are recorded."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe.integrations.torch.epochs import Pass
    from fitscribe.integrations.torch.readings import Number
    from fitscribe.integrations.torch.records import Record
    from fitscribe.integrations.torch.training import Training

__all__ = ["Here", "here", "turns", "wanted"]


class Here(threading.local):
    """What one thread knows; another one may train something else at the same time."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.trainings: list[Training] = []  # that are open, the latest last
        self.losses: list[Number | None] = []  # of the calls of `backward` since the last step
        self.stepped = False  # since the last `backward`
        self.idle = False  # no training here has a use for the next step's losses
        self.turn = -1  # when that was found, in times that watching had ended until then
        self.unheard = False  # a `backward` has passed unseen for that, since the last step
        self.inside: list[weakref.ref[Any]] = []  # optimizers whose step is going on
        self.entered = False  # a step has begun since our hooks are there
        self.evaluated = False  # a closure has told its loss in this step
        self.backward = False  # is going on
        self.scaled: tuple[weakref.ref[Any], Any] | None = None  # what a GradScaler made of what, last
        self.norm: Number | None = None  # of the gradients, as clip_grad_norm_ found it since the last step
        self.clipping: dict[str, Any] = {}  # its arguments
        self.passes: list[Pass] = []  # over data, that may go on; the latest last
        self.passed = 0  # how many have begun
        self.ready: Any = None  # the integration's patches, to which our hooks at steps belong
        self.record: Record | None = None  # where what was said last in this thread went


_here = Here()
turns = [0]
"""How often watching has ended, in whatever thread: what is switched on again listens again."""


def here() -> Here:
    """Return what this thread knows; a forked child begins anew."""
    global _here
    if _here.process != os.getpid():
        _here = Here()
    return _here


def wanted() -> bool:
    """True when somebody has a use for what a `backward` tells; quick, for it is asked at each one."""
    place = here()
    place.unheard = place.idle and place.turn == turns[0]
    return not place.unheard
