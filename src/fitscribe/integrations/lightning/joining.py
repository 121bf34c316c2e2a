"""How our callback joins a trainer for one call, and finds who listens: here, or in a process that trains for it."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from fitscribe import guarded, unwatched
from fitscribe.integrations.lightning.follower import Follower
from fitscribe.integrations.lightning.relay import Relay, replay

__all__ = ["Joined", "callback_class", "listener"]

_live: dict[str, tuple[int, Follower]] = {}
"""Who listens to the callback of a token, and in which process; a fork knows the token but is another process."""


class Joined:
    """Our callback among those of a trainer, until `leave`."""

    def __init__(self, trainer: Any, follower: Follower) -> None:
        """Join before the first callback that writes checkpoints, where Lightning itself keeps it."""
        self.trainer, self.follower, self.token = trainer, follower, uuid.uuid4().hex
        self.folder = tempfile.mkdtemp(prefix="fitscribe-") if _trains_elsewhere(trainer) else ""
        package = _package_of(trainer)
        self.mine = callback_class(package, follower.hears_batches)(self.token, self.folder, follower.options)
        self.before = trainer.callbacks
        writes = import_module(f"{package}.callbacks").Checkpoint
        place = next((n for n, each in enumerate(self.before) if isinstance(each, writes)), len(self.before))
        self.list = [*self.before[:place], self.mine, *self.before[place:]]
        _live[self.token] = (os.getpid(), follower)
        trainer.callbacks = self.list

    def leave(self) -> None:
        """Take our callback away; the trainer has the very list that it had, if nobody else gave it another."""
        _live.pop(self.token, None)
        now = self.trainer.callbacks
        rest = [each for each in now if each is not self.mine]
        same = len(rest) == len(self.before) and all(a is b for a, b in zip(rest, self.before, strict=True))
        self.trainer.callbacks = self.before if same else rest
        if self.folder:
            with guarded("reading what another process recorded"):
                replay(Path(self.folder), self.follower)
            shutil.rmtree(self.folder, ignore_errors=True)


def _package_of(trainer: Any) -> str:
    """Return the package whose trainer this is, or is made from."""
    for kind in type(trainer).__mro__:
        for package in ("lightning.pytorch", "pytorch_lightning"):
            if kind.__module__.startswith(f"{package}."):
                return package
    return "lightning.pytorch"


def _trains_elsewhere(trainer: Any) -> bool:
    """Tell if the strategy starts processes for all ranks, zero too, as the spawn and notebook strategies do."""
    name = type(getattr(trainer.strategy, "launcher", None)).__name__
    return "MultiProcessing" in name or "XLA" in name


def listener(token: str, folder: str, options: Any) -> Follower | None:
    """Return who listens to a callback in this process; in one that trains for another, one that writes it down."""
    process, found = _live.get(token, (0, None))
    if found is not None and process == os.getpid():
        return found
    if not folder:  # a copy of a callback, in a process that is none of ours
        return None
    found = Follower(Relay(Path(folder)), options, _say_nothing)
    _live[token] = (os.getpid(), found)
    return found


def alone_here(token: str) -> None:
    """See to it that nobody else records what a process trains for another: nothing watches the call it is in."""
    if token not in _live:
        unwatched().__enter__()  # for the life of the process


def _say_nothing(message: str, *args: object) -> None:
    """What is wrong is said where the run is."""


@cache
def callback_class(package: str, batches: bool) -> type:
    """Make our callback on the base class of the trainer's package; it can be pickled, as training may move."""
    parent = import_module(f"{package}.callbacks").Callback
    mixed = FollowingBatches if batches else Following
    return type(mixed.__name__, (mixed, parent), {"package": package, "__module__": __name__})


def _remade(package: str, batches: bool, given: tuple[Any, ...]) -> Any:
    return callback_class(package, batches)(*given)


class Following:
    """Tells who listens of one fit; a token is all that it knows of it."""

    package = ""

    def __init__(self, token: str, folder: str, options: Any) -> None:
        """Hold the token, and where another process writes."""
        self.given = (token, folder, options)

    def __reduce__(self) -> Any:
        return _remade, (self.package, isinstance(self, FollowingBatches), self.given)

    def tell(self, trainer: Any, word: str, *args: Any) -> None:
        """Tell who listens; of several ranks, zero alone does."""
        if not trainer.is_global_zero:
            return
        found = listener(*self.given)
        if found is not None:
            getattr(found, word)(trainer, *args)

    @guarded("Lightning: the beginning of a fit")
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Hear that the trainer is being set up, here or in a process of its own."""
        alone_here(self.given[0])

    @guarded("Lightning: the beginning of a training")
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Hear that training begins, after the sanity check."""
        self.tell(trainer, "train_start", pl_module)

    @guarded("Lightning: the beginning of an epoch")
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Hear that an epoch begins."""
        self.tell(trainer, "epoch_start")

    @guarded("Lightning: the end of an epoch")
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Hear that an epoch ends."""
        self.tell(trainer, "epoch_end")

    @guarded("Lightning: the beginning of a validation")
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Hear that a validation begins."""
        self.tell(trainer, "validation_start")

    @guarded("Lightning: the end of a validation")
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Hear that a validation ends."""
        self.tell(trainer, "validation_end")

    @guarded("Lightning: the end of a training")
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Hear that training is over."""
        self.tell(trainer, "train_end")

    @guarded("Lightning: the end of a fit")
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Hear that all is over."""
        self.tell(trainer, "left")

    @guarded("Lightning: an error in a fit")
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Hear that training breaks off; nothing else is heard then."""
        self.tell(trainer, "failed", exception)


class FollowingBatches(Following):
    """Tells of each batch as well."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hear that a batch is done; of most, that is all: to ask the trainer for its rank or step takes longer."""
        found = _live.get(self.given[0])
        if found is not None and found[1].wait > 1:
            found[1].wait -= 1
            return
        with guarded("Lightning: the end of a batch"):
            self.tell(trainer, "batch_end")
