"""What is going on in this thread: the losses since the last step, the trainings, and where they are recorded."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from fitscribe import unwatched

if TYPE_CHECKING:
    from fitscribe.integrations.torch.epochs import Pass
    from fitscribe.integrations.torch.readings import Number
    from fitscribe.integrations.torch.records import Record
    from fitscribe.integrations.torch.training import Training

__all__ = ["Here", "busy", "here"]


class Here(threading.local):
    """What one thread knows; another one may train something else at the same time."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.trainings: list[Training] = []  # that are open, the latest last
        self.losses: list[Number | None] = []  # of the calls of `backward` since the last step
        self.stepped = False  # since the last `backward`
        self.inside: list[weakref.ref[Any]] = []  # optimizers whose step is going on
        self.evaluated = False  # a closure has told its loss in this step
        self.backward = False  # is going on
        self.scaled: tuple[weakref.ref[Any], Any] | None = None  # what a GradScaler made of what, last
        self.norm: Number | None = None  # of the gradients, as clip_grad_norm_ found it since the last step
        self.clipping: dict[str, Any] = {}  # its arguments
        self.passes: list[Pass] = []  # over data, that may go on; the latest last
        self.passed = 0  # how many have begun
        self.record: Record | None = None  # where what was said last in this thread went


_here = Here()


def here() -> Here:
    """Return what this thread knows; a forked child begins anew."""
    global _here
    if _here.process != os.getpid():
        _here = Here()
    return _here


def busy() -> bool:
    """True inside a watched call, such as another framework's `fit`, which has an integration of its own."""
    block = unwatched()
    with block:
        return block.token.old_value is True  # what it was before this block
