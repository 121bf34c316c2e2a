"""One training: its optimizers, which step in turn, and the points of their curves."""

from __future__ import annotations

import os
import time
import weakref
from collections import deque
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch import epochs, found, rates, settings
from fitscribe.integrations.torch.followed import Followed
from fitscribe.integrations.torch.here import Here, here
from fitscribe.integrations.torch.readings import Number, number_of, ready
from fitscribe.integrations.torch.records import Record, milliseconds

__all__ = ["Training"]

DENSE = 100  # steps from the first that are all recorded; then every tenth
OVER = 100  # steps of the next training, after which one that stands still is over
KEPT = 1000  # points that wait for their run


class Training:
    """What one loop trains; its run begins with the second `backward`, and ends when its optimizers are let go of."""

    def __init__(self, *, again: bool = False, watched: bool = False, name: str = "", models: Any = ()) -> None:
        """Begin with no run; `again`: an optimizer came back after its run had ended, and may do so once more."""
        self.again, self.watched, self.name = again, watched, name
        self.models = [weakref.ref(each) for each in models]
        self.kept: list[Any] = []  # models to be recorded when it ends
        self.process = os.getpid()
        self.followed: list[Followed] = []
        self.record: Record | None = None
        self.asked = self.settled = self.done = False
        self.idle = False  # it has a use for nothing that happens before the next step is over
        self.broken = ""  # how it would have to end now, by an error that was seen
        self.options: Any = {}
        self.every: int | None = None
        self.points: deque[tuple[Followed, int, int, dict[str, tuple[Number, ...]]]] = deque(maxlen=KEPT)
        self.companions: weakref.WeakSet[Any] = weakref.WeakSet()
        self.passing: epochs.Pass | None = None
        self.epoch, self.passed = -1, 0
        self.clock = self.stepped_at = 0.0
        self.timed = 0  # steps since the clock was read
        self.seconds = 0.0
        self.seen = 0.0  # when the last step was over, in seconds since 1970
        self.around: found.Around | None = None

    @property
    def open(self) -> bool:
        """True while it may go on, in the process that it is of."""
        return not self.done and (self.record is None or self.record.run.ended is None)

    @property
    def steps(self) -> int:
        """Return how many steps its first optimizer has taken."""
        return self.followed[0].steps if self.followed else 0

    def add(self, optimizer: Any) -> Followed:
        """Let an optimizer be one of this training; it takes the place of one that is gone and trained the same."""
        made = Followed(self, optimizer)
        gone = next((each for each in self.followed if each.optimizer() is None), None)
        if gone is not None:
            made.steps, made.suffix = gone.steps, gone.suffix
            self.followed[self.followed.index(gone)] = made
            return made
        self.followed.append(made)
        if self.settled:
            self._name(self.followed[-1:])
        return made

    def trains(self, optimizer: Any) -> bool:
        """True when an optimizer of this training has one of the same weights."""
        weights = {id(each) for group in optimizer.param_groups for each in group["params"]}
        return any(
            id(each) in weights
            for known in self.followed
            if (other := known.optimizer()) is not None
            for group in other.param_groups
            for each in group["params"]
        )

    def expects(self, optimizer: Any) -> bool:
        """True for an optimizer that was there when a run was asked for; before that, for any."""
        return not self.asked or optimizer in self.companions

    def due(self) -> bool:
        """True when the next step of one of its optimizers is to be recorded."""
        return any(self._due(each.steps + 1) for each in self.followed)

    def _due(self, step: int) -> bool:
        if self.every is not None:
            return step % self.every == 0
        return step <= DENSE or step % 10 == 0

    @property
    def at(self) -> int:
        """Return when the last step was over, in milliseconds since 1970; before the first one, the time."""
        return round(self.seen * 1000) or milliseconds()

    # the run

    def begin(self, call: Any) -> None:
        """Begin the run in a call of `backward`, if a step was taken before it."""
        if self.asked or not (self.steps or self.watched):
            return
        self.asked, self.idle, self.options = True, True, call.options  # if another process records, it stays idle
        self.every = call.options["log_every_n_step"]
        optimizers = [each for followed in self.followed if (each := followed.optimizer()) is not None]
        self.around = found.look(optimizers, [each for ref in self.models if (each := ref()) is not None])
        self.companions = weakref.WeakSet(self.around.optimizers)
        place = here()
        shared = place.record
        models, self.kept = self.kept, []
        if shared is None or not shared.open or shared.trained or not shared.ours:
            shared = Record(call, self.name or self.around.name)  # the last line, where another process records
        shared.trained, self.idle, self.kept = True, False, models
        shared.writers.add(id(self))
        self.record = place.record = shared
        shared.run.at_end(self._last_words)
        with guarded("describing a training"):
            settings.log(shared.run, self.around, place, call)
        self.around.forget()

    def _settle(self, place: Here) -> None:
        """Give the curves their names, once it is known how many optimizers step in turn, and record what they are."""
        self.settled = True
        if self.record is not None and self.around is not None and self.around.blind:
            self._look_again(self.record.run)
        self._name(self.followed)

    def _look_again(self, run: Any) -> None:
        """Find a sharded model, whose modules hold other weights than its optimizer while gradients are computed."""
        self.around = found.look([each for followed in self.followed if (each := followed.optimizer()) is not None], [])
        settings.log_model(run, self.around)
        if not self.around.blind and not self.name and self.record is not None and self.record.ours:
            run.set_tags({"mlflow.runName": self.around.name})
        self.around.forget()

    @guarded("describing an optimizer")
    def _name(self, fresh: list[Followed]) -> None:
        if self.record is None or self.around is None:
            return
        several = len(self.followed) > 1
        names = [self.around.label(each.optimizer()) for each in self.followed]
        if several and not self.name and self.record.ours:
            self.record.run.set_tags({"mlflow.runName": ", ".join(sorted({each for each in names if each}))})
        for place, each in enumerate(self.followed):
            if each in fresh:
                own = names[place] if names[place] and names.count(names[place]) == 1 else str(place + 1)
                each.suffix = f"_{own}" if several else ""
                settings.log_optimizer(self.record.run, self.around, each.optimizer(), each.suffix)

    # its steps

    def stepped(self, followed: Followed, optimizer: Any, place: Here) -> None:
        """Record a step of one of its optimizers."""
        losses = followed.take(optimizer)
        if self.asked and self.record is None:
            return  # another process records
        self.seen = time.time()
        if followed is self.followed[0]:
            self._tick(time.perf_counter(), place)
        if self._due(followed.steps):
            self._point(followed, optimizer, losses, place)
        if not self.settled and self.record is not None and self.steps > 1:
            self._settle(place)
        if self.points:
            self.flush()
        self.idle = self.settled and not self.due()
        if self.steps == OVER:
            for earlier in place.trainings[: place.trainings.index(self)]:
                if not earlier.again and not earlier.watched:
                    earlier.finish()

    def _tick(self, now: float, place: Here) -> None:
        """Read the clock, and see whether this step is the first one of a pass over data."""
        before, latest = self.passing, None
        if (before is None and place.passes) or (before is not None and before.ended is not None):
            latest = epochs.current(place)
            if before is not None:
                self._end_epoch()
            self.passing = latest
        if self.stepped_at and (latest is None or latest is before):
            self.seconds += now - self.stepped_at
            self.timed += 1
        self.stepped_at, self.passed = now, place.passed
        if self.passing is not None:
            self.passing.steps += 1
            self.epoch += self.passing.is_epoch_since_now

    def _end_epoch(self) -> None:
        """Record how long the pass took that is over, if it was an epoch."""
        passed, self.passing = self.passing, None
        if passed is not None and passed.is_epoch and self.record is not None:
            ended = passed.ended or self.stepped_at
            self.record.say({"epoch_time": ended - passed.began}, self.epoch, self.at)

    def _point(self, followed: Followed, optimizer: Any, losses: tuple[Number, ...] | None, place: Here) -> None:
        values: dict[str, tuple[Number, ...]] = {} if losses is None else {"loss": losses}
        values |= {key: (value,) for key, value in rates.changed(optimizer, followed.rates).items()}
        norm = place.norm
        if norm is None and self.options and self.options.get("log_gradient_norm"):
            norm = rates.gradient_norm(optimizer)
        if norm is not None:
            values["grad_norm"] = (norm,)
        if followed is self.followed[0]:
            if self.passing is not None and self.passing.is_epoch:
                values["epoch"] = (float(self.epoch),)
            if self.timed:
                values["step_time"] = (self.seconds / self.timed,)
                self.seconds, self.timed = 0.0, 0
        if values:
            self.points.append((followed, followed.steps, self.at, values))

    def flush(self, wait: bool = False) -> None:
        """Record the points that have arrived; with `wait` all of them."""
        if not self.settled or self.record is None:
            return
        while self.points:
            followed, step, at, values = self.points[0]
            if not wait and not all(ready(each) for parts in values.values() for each in parts):
                return
            self.points.popleft()
            numbers = {key: sum(number_of(each) for each in parts) for key, parts in values.items()}
            alone = ("epoch", "step_time")  # of the loop, not of one optimizer
            self.record.say({key if key in alone else key + followed.suffix: n for key, n in numbers.items()}, step, at)

    # its end

    @guarded("recording the end of a training")
    def _last_words(self) -> None:
        if self.done or self.record is None:
            return
        self.done = self.idle = True
        if not self.settled:
            self._settle(here())
        self.flush(wait=True)
        self._end_epoch()
        ends = {f"steps{each.suffix}": float(each.steps) for each in self.followed}
        models, self.kept = self.kept, []
        settings.log_models(self.record.run, models)
        self.record.say({**ends, **({"epochs": self.epoch + 1.0} if self.epoch >= 0 else {})}, self.steps, self.at)

    def finish(self, status: str = "FINISHED") -> None:
        """End it now; a run of our own ends with its last writer."""
        record = self.record
        if status != "FINISHED":
            self.kept = []
        if record is not None and record.open:
            self._last_words()
            record.leave(id(self), status)
        self.done = self.idle = True

    def left(self) -> None:
        """Hear that an optimizer is gone; the collector of garbage may tell, so all is done in the background."""
        if any(each.optimizer in here().inside and each.optimizer() is None for each in self.followed):
            self.broken = "FAILED"  # it went in the middle of a step, which was left by an error
        if any(each.optimizer() is not None for each in self.followed):
            return
        if self.record is None:
            self.kept = []
        else:
            self.record.run.later(partial(self.finish, self.broken or "FINISHED"))
