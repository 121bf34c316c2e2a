"""What is recorded while a fit goes on: the values of its epochs and, on request, of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.lightning import (
    architecture,
    checkpoints,
    deciding,
    inputs,
    loggers,
    rates,
    settings,
    values,
)

__all__ = ["Follower"]


class Follower:
    """Hears of one fit, of rank zero alone, in the thread that trains."""

    def __init__(self, run: Any, options: Mapping[str, Any], warn: Callable[..., None]) -> None:
        """Hold where to write; `run` is a run, or what passes its words on to the process that has it."""
        self.run, self.options, self.warn = run, options, warn
        self.every: int | None = options["log_every_n_step"]
        often = options["checkpoint_save_freq"] if options["checkpoint"] else None
        self.kept_every = often if isinstance(often, int) else None
        self.hears_batches = bool(self.every or self.kept_every)
        self.wait = 0  # batches until the next that is of interest: who calls `batch_end` counts them down
        self.seen = values.Seen()
        self.by_step: set[str] = set()  # keys that have a value for each step asked for
        self.epoch: int | None = None  # that ended last
        self.history: dict[int, dict[str, float]] = {}
        self.step = self.steps = 0  # of the optimizers: at the last batch heard of, at the beginning of the epoch
        self.clock = 0.0
        self.rates: dict[str, float] = {}
        self.pending: tuple[int, int, dict[str, float]] | None = None  # an epoch that ended, whose values are to come
        self.before: dict[str, Any] = {}
        self.checking = False
        self.interrupted = self.decided = self.listens = False
        self.shapes: architecture.Shapes | None = None
        self.signature: Any = None
        self.checkpoints = checkpoints.Checkpoints(run, options, warn) if options["checkpoint"] else None

    def train_start(self, trainer: Any, module: Any) -> None:
        """Record what the trainer knows only now: optimizers, schedulers, devices, the data and the built model."""
        self.step = trainer.global_step
        self.listens = bool(loggers.ours(trainer))  # that one records the values, at its own steps
        settings.log_training(self.run, trainer, module)
        architecture.log(self.run, module)
        inputs.log(self.run, trainer, self.options["log_datasets"])
        deciding.log_settings(self.run, trainer)
        if self.options["log_models"] and self.options["log_model_signatures"]:
            self.shapes = architecture.Shapes(module)

    def epoch_start(self, trainer: Any) -> None:
        """Record the epoch before, whose values are complete only now; start the clock."""
        self.flush(trainer)
        self.steps = trainer.global_step
        self.rates = rates.of(trainer)  # a scheduler has gone on when the epoch ends
        self.clock = time.perf_counter()

    def epoch_end(self, trainer: Any) -> None:
        """Stop the clock; what the module and others log in this very hook is still to come."""
        seconds = time.perf_counter() - self.clock
        steps = trainer.global_step - self.steps
        timed = {"epoch_time": seconds} | ({"steps_per_second": steps / seconds} if steps and seconds else {})
        self.pending = (trainer.current_epoch, int(time.time() * 1000), timed | self.rates)
        if self.checkpoints is not None:
            self.checkpoints.epoch_end(trainer)

    def batch_end(self, trainer: Any) -> None:
        """Record what the batch logged by step, if the optimizer took a step and that one is asked for."""
        before, self.step = self.step, trainer.global_step
        if self.every and self.step // self.every > before // self.every and not self.listens:
            found = values.of_batch(trainer)
            self.by_step.update(found)
            suffixed = {f"{key}_step": value for key, value in rates.of(trainer).items()}
            self.run.log_metrics({**values.floats(found), **suffixed}, step=self.step)
        if self.checkpoints is not None:
            self.checkpoints.batch_end(trainer, before)
        if trainer.lightning_module.automatic_optimization:  # a batch is then no more than one step
            self.wait = min(each - self.step % each for each in (self.every, self.kept_every) if each)

    def validation_start(self, trainer: Any) -> None:
        """Remember what was there, if this is one of several validations in an epoch."""
        batches = getattr(trainer, "val_check_batch", None)  # not before the training data are there
        often = batches is not None and batches < trainer.num_training_batches
        self.checking = often and not trainer.sanity_checking and not self.listens
        self.before = values.computed(trainer) if self.checking else {}

    def validation_end(self, trainer: Any) -> None:
        """Record one of several validations in an epoch at its step; the last one is that of the epoch as well."""
        if not self.checking:
            return
        found = values.computed(trainer)
        new = {key: value for key, value in found.items() if self.before.get(key) is not value}
        self.run.log_metrics(values.floats(values.by_step(new)), step=trainer.global_step)

    def train_end(self, trainer: Any) -> None:
        """Record the last epoch."""
        self.flush(trainer)

    def flush(self, trainer: Any) -> None:
        """Record the epoch that ended, if its values are not recorded yet."""
        if self.pending is None:
            return
        (epoch, at, timed), self.pending = self.pending, None
        found = self.seen.fresh(values.computed(trainer))
        self.epoch = epoch
        every = self.options["log_every_n_epoch"]
        numbers = values.floats({key: value for key, value in found.items() if key not in self.by_step})
        self.history[epoch] = numbers
        if every is None or (epoch + 1) % every or self.listens:
            return
        step = int(numbers.pop("step", epoch))  # a user's own axis, as for Lightning's loggers
        self.run.log_metrics({**numbers, **timed}, step=step, at=at)

    def failed(self, trainer: Any, error: BaseException) -> None:
        """Record what is known so far: nothing else will be heard of this fit."""
        self.interrupted = isinstance(error, KeyboardInterrupt)
        self.left(trainer)

    def left(self, trainer: Any) -> None:
        """Record how the training ended; in another process, tell ours what it has to know."""
        with guarded("recording the last epoch"):
            self.flush(trainer)
        pass_on = getattr(self.run, "over", None)
        if pass_on is not None:
            self.finish(trainer)
            shapes = {} if self.shapes is None else self.shapes.told()
            pass_on({"epoch": self.epoch, "interrupted": self.interrupted, "shapes": shapes})

    def learn(self, facts: Mapping[str, Any]) -> None:
        """Know what a follower in another process found out."""
        self.epoch, self.interrupted, self.decided = facts["epoch"], facts["interrupted"], True
        self.signature = architecture.signature_of(facts["shapes"])

    @guarded("recording how the training ended")
    def finish(self, trainer: Any) -> None:
        """Record what the callbacks decided, once."""
        if self.shapes is not None:
            self.shapes.leave()
            self.signature = architecture.signature_of(self.shapes.told())
        self.flush(trainer)
        if not self.decided:
            self.decided = True
            deciding.log_outcome(self.run, trainer, self.history)
