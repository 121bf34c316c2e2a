"""Training by `partial_fit`: one run for an estimator, one step for a call; and what a warm start goes on from.

The run is the user's active one, or one of ours that lasts until the estimator is let go of, fitted anew, or the
process ends; its end is then the last call's. The model is not recorded: to write it at each call would slow the
training, and to write it in the end would mean to keep it alive; `fitscribe.sklearn.log_model` does it when wanted.
Estimators are remembered by weak references, and nothing is put on them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.identity import ByIdentity
from fitscribe.integrations.sklearn import params, predictions
from fitscribe.integrations.sklearn.iterations import attributes

__all__ = ["begins", "partly"]

WARM = "fitscribe.warm_start"  # the tag that names the run of the fit before, by its `fitscribe.run_key`


_portions: ByIdentity[Portions] = ByIdentity()
_fits: ByIdentity[str] = ByIdentity()


class Portions:
    """The run of an estimator that learns by `partial_fit`."""

    def __init__(self, run: Any, ours: bool) -> None:
        """`ours`: the run was begun for this, and is to be ended."""
        self.run, self.ours = run, ours
        self.process, self.calls, self.samples = os.getpid(), 0, 0
        self.at: int | None = None  # of the last call, in milliseconds since 1970

    @property
    def open(self) -> bool:
        """True while the run can be written to, from this process."""
        return self.run.ended is None and self.process == os.getpid()

    @guarded("recording partial_fit")
    def log(self, estimator: Any, rows: int | None, seconds: float) -> None:
        """Record one call as one step: its rows and seconds, and the numbers that the estimator keeps."""
        from fitscribe.integrations.sklearn.training import scalars

        found = {"partial_fit_time": seconds, **scalars(estimator)}
        if rows is not None:
            self.samples += rows
            found |= {"batch_samples": float(rows), "samples": float(self.samples)}
        self.at = round(time.time() * 1000)
        self.run.log_metrics(found, step=self.calls, at=self.at)
        self.calls += 1

    @guarded("ending the run of partial_fit")
    def end(self, status: str = "FINISHED") -> None:
        """End the run if it is ours, as of the last call.

        In the background, since it may be the collector of garbage that asks, in a thread that holds any lock.
        """
        if self.ours and self.open:
            self.run.later(partial(self.run.end, status, self.at))


def partly(call: Any) -> Generator[None, Any, None]:
    """Record the call of an estimator's `partial_fit` as a step of its run."""
    from fitscribe.integrations.sklearn import training

    estimator = call.target
    if training.prepares(estimator):
        yield
        return
    portions = _portions.get(estimator)
    if portions is None or not portions.open:
        portions = _begun(call)
    clock = time.perf_counter()
    try:
        yield
    except BaseException as error:
        _failed(portions, estimator, error)
        raise
    seconds = time.perf_counter() - clock
    predictions.goes_on(call, portions.run, portions.calls)
    portions.log(estimator, _rows(call.args[1] if len(call.args) > 1 else call.kwargs.get("X")), seconds)


def _begun(call: Any) -> Portions:
    estimator = call.target
    kind = type(estimator)
    with call.run(kind.__name__) as run:
        ours, call.owned = call.owned is not None, None  # it outlives this call
        portions = Portions(run, ours)
        _portions.put(estimator, portions, Portions.end)
        run.set_tags({"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__qualname__}"})
        if inside := params.log_plain(run, estimator, deep=True):
            run.later(partial(params.log_inside, run, inside))
    return portions


def _failed(portions: Portions, estimator: Any, error: BaseException) -> None:
    """A call that failed is told; the run goes on with the next one, unless this was the first, or Ctrl-C."""
    portions.run.set_tags({"fitscribe.error": f"{type(error).__name__}: {error}"})
    if portions.calls and isinstance(error, Exception):
        return
    _portions.pop(estimator)
    portions.end("FAILED" if isinstance(error, Exception) else "KILLED")


def _rows(X: Any) -> int | None:
    shape = getattr(X, "shape", None)
    if shape:
        return int(shape[0])
    return len(X) if hasattr(X, "__len__") else None


@guarded("looking at earlier fits")
def begins(run: Any, estimator: Any) -> None:
    """Say that an estimator is fitted anew: its run of `partial_fit` is over, and a warm start names the fit before."""
    portions = _portions.pop(estimator)
    if portions is not None:
        portions.end()
    if attributes(estimator).get("warm_start") is not True:
        return
    before = portions.run.id if portions is not None else _fits.get(estimator)
    if before:
        run.set_tags({WARM: before})
    _fits.put(estimator, run.id)
