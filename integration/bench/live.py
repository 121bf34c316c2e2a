"""Searches followed while they run: what that adds to them, how soon all is there, what a candidate costs.

Their fits sleep, so that what is added is not lost in how the machine's speed drifts.
"""

from __future__ import annotations

import time
from typing import Any

from integration.bench.measuring import MODES, console, measured, ratio, table

__all__ = ["SCENARIOS", "live"]

SIZES = (4, 50, 200, 1000)
PAUSE = 0.02  # seconds of a fit


def live(uri: str, repeat: int, title: str) -> None:
    """Measure searches at the endpoint `uri`; at "", the embedded store, without MLflow, which takes minutes there."""
    modes = MODES if uri else ("none", "fitscribe")
    made = table(
        f"GridSearchCV, two fits of 20 ms each, every candidate a child run, {title}",
        "what", "n_jobs", "none s", "mlflow s", "fitscribe s", "fitscribe / none", "mlflow / fitscribe",
        "on its thread", "all there after", "requests each", "memory each",
    )  # fmt: skip
    for candidates in SIZES:
        for jobs in (1, 2):
            found = {mode: _best(mode, f"{candidates} {jobs}", uri, repeat) for mode in modes}
            none, ours = found["none"]["s"], found["fitscribe"]
            theirs = found["mlflow"]["s"] if uri else 0.0
            made.add_row(
                f"{candidates} candidates", str(jobs), f"{none:.2f}", f"{theirs:.2f}" if theirs else "-",
                f"{ours['s']:.2f}", f"{ours['s'] / none:.2f}x", ratio(theirs, ours["s"]) if theirs else "-",
                f"{ours['thread_ms'] / ours['s'] / 10:.1f} %", f"{ours['after_s']:.2f} s",
                f"{ours['requests'] / candidates:.2f}", f"{ours['kb'] / candidates:.1f} kB",
            )  # fmt: skip
    console.print(made)


def _best(mode: str, argument: str, uri: str, repeat: int) -> dict[str, Any]:
    """Return the quickest of some tries: what else the machine does only ever adds."""
    return min((measured("followed", mode, argument, uri) for _ in range(repeat)), key=lambda found: found["s"])


def followed(mode: str, argument: str) -> dict[str, float]:
    """A search: its seconds and those until all was there, ms of ours on its thread, requests, kB that stayed."""
    from integration.bench.memory import resident
    from integration.bench.work import settle, switched

    candidates, jobs = map(int, argument.split())
    switched(mode, **({"log_models": False, "max_tuning_runs": None} if mode != "none" else {}))
    _search(2, jobs)  # imports, workers
    settle(mode)
    before, memory, began = _account(mode), resident(), time.perf_counter()
    _search(candidates, jobs)
    took = time.perf_counter() - began
    held = resident() - memory
    settle(mode)
    spent = [now - then for now, then in zip(_account(mode), before, strict=True)]
    after = time.perf_counter() - began - took
    return {"s": took, "after_s": after, "requests": spent[0], "thread_ms": spent[1], "kb": held * 1024}


def _search(candidates: int, jobs: int) -> None:
    import numpy as np
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.model_selection import GridSearchCV

    class Sleeps(ClassifierMixin, BaseEstimator):
        def __init__(self, number=0, alpha=0.5, kernel="rbf", gamma=None, depth=3, seed=0):
            self.number, self.alpha, self.kernel = number, alpha, kernel
            self.gamma, self.depth, self.seed = gamma, depth, seed

        def fit(self, X, y):
            time.sleep(PAUSE)
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return np.zeros(len(X))

    GridSearchCV(Sleeps(), {"number": list(range(candidates))}, cv=2, n_jobs=jobs).fit(
        np.zeros((20, 2)), np.arange(20) % 2
    )


def _account(mode: str) -> tuple[float, float]:
    if mode != "fitscribe":
        return 0.0, 0.0
    import fitscribe

    status = fitscribe.delivery_status()
    return status.requests, status.overhead_ms


SCENARIOS = {"followed": followed}
