"""Searches: trials as child runs of one run, how far the search is, the best so far, and its table at the end."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fitscribe.guard import guarded, warn_once
from fitscribe.records import Status, new_id, now
from fitscribe.trials import ERROR, Trial, chart, table
from fitscribe.values import number, text

if TYPE_CHECKING:
    from fitscribe.run import Run

__all__ = ["Search"]

SIGNS = {"minimize": 1.0, "maximize": -1.0, "min": 1.0, "max": -1.0}
ENDS: tuple[Status, ...] = ("FINISHED", "FAILED", "KILLED")
AT_ONCE = 20  # times that progress is said one right after the other; then once a second


class Search:
    """`with run.search("loss", "minimize", total=100) as search:` - trials below `run`, from any thread.

    Words of a search never raise. A trial is told by its key, anything hashable.
    """

    def __init__(
        self,
        run: Run,
        objective: str | Sequence[str] = "value",
        direction: str | Sequence[str] = "minimize",
        total: int | None = None,
        *,
        offered: bool = False,
    ) -> None:
        """`direction` is `minimize` or `maximize`; with several objectives, one for each; `total` trials are planned.

        One name for several objectives is numbered, as `value_0`. Of several there is no best value, but a front of
        trials that none other is better than.
        """
        self.run, self.total, self.offered = run, total, offered
        self.objectives = _names(objective, 1 if isinstance(direction, str) else len(direction))
        words = [direction] * len(self.objectives) if isinstance(direction, str) else list(direction)
        self.signs = [SIGNS.get(text(word).lower(), 0.0) for word in words]
        if 0.0 in self.signs or len(self.signs) != len(self.objectives):
            self.signs = []
            warn_once("a search has no best trial: its direction is %r, not `minimize` or `maximize`", direction)
        self.rows: list[Trial] = []
        self.best: list[Trial] = []  # several, where no objective decides alone
        self.done_count = 0
        self._open: dict[Hashable, Trial] = {}
        self._ended: dict[Hashable, Trial] = {}
        self._lock = threading.RLock()
        self._said, self._credit, self._looked = -1, float(AT_ONCE), time.monotonic()
        self.closed = False
        run.at_end(self.close)

    def __enter__(self) -> Search:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.close(_status(error))

    def trial(
        self,
        key: Hashable,
        params: Mapping[str, Any] | None = None,
        name: str = "",
        at: int | None = None,
        tags: Mapping[str, object] | None = None,
    ) -> Run:
        """Begin a trial, now or at a time in milliseconds, and return its run; one that is open is gone on with.

        A key whose trial has ended begins another trial.
        """
        with guarded("beginning a trial"), self._lock:
            trial = self._open.get(key)
            if trial is None and self.closed:
                return self._nobody()
            if trial is None:
                labels = {**self.run.labels, "fitscribe.trial_id": text(key), **(tags or {})}
                run = self.run.child(name or f"trial {text(key)}", labels, at)
                run.offered = self.offered
                trial = self._open[key] = Trial(run, key, len(self.rows), now() if at is None else at)
                self.rows.append(trial)
            elif tags:
                trial.run.set_tags(tags)
            trial.take(params)
            return trial.run
        return self._nobody()

    def _nobody(self) -> Run:
        nobody = type(self.run)(run_id=new_id(), to=self.run.to, parent=self.run)
        nobody.aside = True  # its words are for nobody, and do no harm
        return nobody

    def __contains__(self, key: Hashable) -> bool:
        """Tell if a trial of that key has begun and not ended."""
        return key in self._open

    def running(self, key: Hashable) -> _Running:
        """Return, for `with`, the run of a trial while it is tried.

        The block does not end it, `done` does. An error in the block is said of a trial that then ends FAILED, or
        that nobody ends.
        """
        return _Running(self, key)

    @guarded("noting the error of a trial")
    def failed(self, key: Hashable, error: BaseException | None) -> None:
        """Note the error of a trial that goes on, or is ended later."""
        if trial := self._open.get(key):
            trial.error = "" if error is None else f"{type(error).__name__}: {text(error)}"
            trial.says = _status(error)

    @guarded("reporting of a trial")
    def report(self, key: Hashable, values: Mapping[str, object], step: int = 0) -> None:
        """Record metrics of a trial that goes on."""
        if trial := self._open.get(key):
            trial.reported.update({name: (number(value), step) for name, value in values.items()})
            trial.run.log_metrics(values, step)

    @guarded("setting params of a trial")
    def params(self, key: Hashable, values: Mapping[str, Any]) -> None:
        """Record params of a trial that came up while it runs."""
        if trial := self._open.get(key):
            trial.take(values)

    @guarded("ending a trial")
    def done(
        self,
        key: Hashable,
        value: float | Sequence[float] | None = None,
        status: Status = "FINISHED",
        metrics: Mapping[str, object] | None = None,
        at: int | None = None,
        tags: Mapping[str, object] | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        message: str = "",
        feasible: bool = True,
    ) -> None:
        """End a trial with its value (with several objectives, one for each), now or at a time in milliseconds.

        Only a FINISHED and `feasible` one can be the best. Of one that FAILED, the `message` is kept, and its last
        line a tag. One that has ended gets the tags, and nothing else.
        """
        if status not in ENDS:
            warn_once("a trial ends FINISHED, FAILED or KILLED; %r is taken for FAILED", status)
            status = "FAILED"
        with self._lock:
            if key not in self._open and (key in self._ended or self.closed):
                if key in self._ended:
                    self._ended[key].run.set_tags(tags or {})
                return
            self.trial(key, params, at=at)
            trial = self._ended[key] = self._open.pop(key)
            told = [] if value is None else list(value) if hasattr(value, "__iter__") else [value]
            trial.values = [float("nan") if (found := number(each)) is None else found for each in told]
            trial.metrics, trial.status, trial.ended = dict(metrics or {}), status, now() if at is None else at
            self.done_count += 1
            if feasible and status == "FINISHED":
                self._compare(trial)
        if message and status == "FAILED":
            tags = {ERROR: message.strip().rpartition("\n")[2], **(tags or {})}
            if "\n" in message.strip():
                trial.run.log_text(message, "traceback.txt")
        self._record(trial, tags or {}, at)

    def _record(self, trial: Trial, tags: Mapping[str, object], at: int | None) -> None:
        values = dict(zip(self.objectives, trial.values, strict=False))
        try:
            trial.run.log_metrics(trial.metrics, at=at)
            for name, value in values.items():
                before, step = trial.reported.get(name, (None, 0))
                if value != before:
                    trial.run.log_metrics({name: value}, step, at)
            trial.run.set_tags({**tags, **trial.complaint()})
        finally:
            trial.run.end(trial.status, at)
        self.run.log_metrics(values, trial.number, at)
        self._progress()

    def _compare(self, trial: Trial) -> None:
        """Keep a trial if no other is as good in all objectives, and no longer those that it is better than."""
        if len(trial.values) != len(self.signs) or not trial.values or any(map(math.isnan, trial.values)):
            return
        if not any(self._beats(other, trial) for other in self.best):
            self.best = [*(other for other in self.best if not self._beats(trial, other)), trial]

    def _beats(self, one: Trial, other: Trial) -> bool:
        return all(s * a <= s * b for s, a, b in zip(self.signs, one.values, other.values, strict=True))

    def _progress(self, last: bool = False) -> None:
        """Say on the run how far the search is, about once a second."""
        with self._lock:
            tick = time.monotonic()
            self._credit = min(float(AT_ONCE), self._credit + tick - self._looked)
            self._looked = tick
            count, best = self.done_count, self.best[:1]
            if (self._credit < 1.0 and not last) or count == self._said:
                return
            self._credit, self._said = self._credit - 1.0, count
        self.run.set_tags({"fitscribe.progress": f"{count}/{self.total}" if self.total else str(count)})
        if best and len(self.objectives) == 1:
            self.run.log_metrics({f"best_{self.objectives[0]}": best[0].values[0]}, step=count)

    @guarded("ending a search")
    def close(self, status: Status | None = None) -> None:
        """End the search and what is open in it by how it ended; twice is once. Its run goes on."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            left = list(self._open.values())
            self._ended.update(self._open)
            self._open.clear()
        ended = status or self.run.ended or "FINISHED"
        for trial in left:
            without: Status = "FAILED" if ended == "FAILED" else "KILLED"
            trial.status = trial.run.ended or (trial.says if trial.error else without)
            trial.ended = now()
            trial.run.set_tags(trial.complaint())
            trial.run.end(trial.status)
        if not self.rows:
            return
        self._progress(last=True)
        self._tell_best()
        counts = Counter(trial.status for trial in self.rows)
        self.run.set_tags({"fitscribe.trials": ", ".join(f"{counts[end]} {end}" for end in ENDS if counts[end])})
        self.run.later(partial(self._results, list(self.rows)))

    def _tell_best(self) -> None:
        for trial in self.best:
            trial.run.set_tags({"fitscribe.best": "true"})
        if self.best:
            self.run.set_tags({"fitscribe.best_trial": ", ".join(text(trial.key) for trial in self.best)})
        if len(self.objectives) == 1:
            for trial in self.best:
                self.run.log_params({f"best_{name}": value for name, value in trial.params.items()})

    @guarded("recording the results of a search")
    def _results(self, rows: Sequence[Trial]) -> None:
        self.run.log_text(table(rows, self.objectives), "search_results.csv")
        told = [row for row in rows if row.status == "FINISHED" and len(row.values) == len(self.objectives)]
        if len(told) > 1 and (drawn := chart(self.objectives, self.signs, told, self.best)):
            self.run.log_chart(drawn, "search_results.png")


class _Running:
    """A trial while it is tried."""

    __slots__ = ("key", "search")

    def __init__(self, search: Search, key: Hashable) -> None:
        self.search, self.key = search, key

    def __enter__(self) -> Run:
        return self.search.trial(self.key)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        self.search.failed(self.key, error)


def _names(objective: str | Sequence[str], count: int) -> list[str]:
    if not isinstance(objective, str):
        return [str(name) for name in objective]
    return [objective] if count == 1 else [f"{objective}_{place}" for place in range(count)]


def _status(error: BaseException | None) -> Status:
    if error is None:
        return "FINISHED"
    return "FAILED" if isinstance(error, Exception) else "KILLED"
