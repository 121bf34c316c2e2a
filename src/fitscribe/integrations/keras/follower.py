"""What is recorded while a fit goes on: the metrics of its epochs and, on request, of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.keras import architecture, batches, checkpoints, inputs, joining, rates, stopping

__all__ = ["Follower"]


class Follower(joining.Listener):
    """Hears of one fit."""

    def __init__(
        self,
        run: Any,
        model: Any,
        options: Mapping[str, Any],
        callbacks: Any,
        data: inputs.Data,
        warn: Callable[..., None],
    ) -> None:
        """Hold what is needed; nothing of the model is read yet."""
        super().__init__(model)
        self.run, self.options, self.data = run, options, data
        self.callbacks = stopping.known(callbacks)
        self.every: int | None = options["log_every_n_steps"]
        self.suffix = "_step" if self.every and options["log_every_epoch"] else ""  # both under one key would mix
        self.each = 1  # steps that Keras takes between two of its batch hooks
        self.done = self.high = 0  # steps of the epochs before, and of this one
        self.described = False
        if data.sample is None and options["log_models"] and options["log_model_signatures"]:
            self.passing = batches.Passing()
        self.optimizers: list[tuple[str, Any]] | None = None
        self.steady = stopping.leave_rates(callbacks) and rates.is_plain(model)
        self.rates: dict[str, float] = {}
        self.steps: int | None = None  # of an epoch, where Keras knows
        self.now = 0  # the epoch that goes on
        self.epoch: int | None = None  # that ended last
        self.clock = self.validating = 0.0  # when the epoch began, and its validation
        self.history: dict[int, dict[str, float]] = {}
        self.checkpoints = checkpoints.Checkpoints(run, model, options, warn) if options["checkpoint"] else None
        self.waits = self.checkpoints is not None and self.checkpoints.every is not None
        self.hears_batches = self.waits or self.every is not None

    def train_begin(self, params: Mapping[str, Any]) -> None:
        """Record what Keras knows only now: the built model, and how many steps an epoch has."""
        self.steps = params.get("steps")
        self.each = rates.whole(getattr(self.model, "steps_per_execution", 1) or 1)
        if getattr(self.model, "built", True):
            self.describe()
        if self.options["log_datasets"]:
            inputs.log(self.run, self.data, self.steps)

    @guarded("describing the model")
    def describe(self) -> None:
        """Record what the model is made of, once: one with a step of its own may be built by its first batch."""
        if not self.described:
            self.described = True
            architecture.log(self.run, self.model, self.options["log_architecture"])

    def epoch_begin(self, epoch: int) -> None:
        """Start the clock; a fit that goes on from a later epoch has the steps of those before behind it."""
        if self.epoch is None and epoch and self.steps:
            self.done = epoch * self.steps
        self.now, self.high, self.validating = epoch, 0, 0.0
        self.clock = time.perf_counter()

    def test_begin(self) -> None:
        """Note when the training of this epoch was over."""
        self.validating = self.validating or time.perf_counter()

    def epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Record the metrics of an epoch at its number, which goes on from `initial_epoch`."""
        seconds = time.perf_counter() - self.clock
        training = self.validating - self.clock if self.validating else seconds
        steps = self.steps or self.high or 0
        self.done += steps
        self.epoch = epoch
        self.describe()
        found = dict(logs)
        self.history[epoch] = found
        timed = {"epoch_time": seconds} | ({"steps_per_second": steps / training} if steps and training > 0 else {})
        if self.options["log_every_epoch"]:
            self.run.log_metrics({**found, **timed, **(self._rates(epoch, found) or {})}, step=epoch)
        if self.checkpoints is not None and not self.waits:
            self.checkpoints.keep(epoch, self.done, found)

    @guarded("reading the learning rate")
    def _rates(self, epoch: int, found: Mapping[str, float]) -> dict[str, float]:
        if self.steady and self.rates:
            return self.rates
        if self.optimizers is None:
            self.optimizers = rates.at_work(rates.optimizers_of(self.model))
        told = "learning_rate" in found  # by a callback that sets it
        self.rates = rates.read(self.run, [each for each in self.optimizers if each[0] or not told], epoch)
        self.steady = self.steady and len(self.rates) == len(self.optimizers)
        return self.rates

    def batch_end(self, batch: int, logs: Mapping[str, float]) -> None:
        """Record the metrics so far, and checkpoints, at the steps that are asked for.

        It may come in any order; what it needs to know is in the number of the batch.
        """
        self.high = max(self.high, batch + 1)
        step = self.done + batch + 1
        if self.checkpoints is not None and self._is_due(step, self.checkpoints.every):
            self.checkpoints.keep(self.now, step, logs)
        if self._is_due(step, self.every):
            self.run.log_metrics({f"{key}{self.suffix}": value for key, value in logs.items()}, step=step)

    def _is_due(self, step: int, every: int | None) -> bool:
        """Tell if one of the steps since the hook before was wanted."""
        return every is not None and step // every > (step - self.each) // every

    @guarded("recording how the training ended")
    def finish(self) -> None:
        """Record what the callbacks decided, and how far the training came."""
        stopping.log_outcome(self.run, self.callbacks, self.history)
