"""Searches: the best values and the table on the run of the training, and every candidate as a child run of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Mapping
from contextvars import Token
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn.candidate import Candidate, name_of
from fitscribe.integrations.sklearn.live import FATE, Live, searching
from fitscribe.integrations.sklearn.table import Table

__all__ = ["Searches", "is_search", "searched"]


def is_search(estimator: Any) -> bool:
    """Say whether this is a search over candidates: scikit-learn's, or anything built on them."""
    from sklearn.model_selection._search import BaseSearchCV

    return isinstance(estimator, BaseSearchCV)


class Found:
    """A search that ran in a training."""

    def __init__(self, run: Any, search: Any, live: Live | None) -> None:
        """`run` gets its children and its best values."""
        self.run, self.search, self.live = run, search, live
        self.began, self.clock, self.seconds = time.time(), time.perf_counter(), 0.0

    def over(self) -> None:
        """Say that the last candidate is in."""
        self.seconds = time.perf_counter() - self.clock


class Searches:
    """`with Searches(...) as searches:` around a training: the searches in it, be it one or have one inside.

    The first writes to the training's run, such as the last step of a pipeline; each further one, in a fit of the
    user's own, gets a child run. One inside a candidate is part of the candidate, and one in the refit of the model.
    """

    def __init__(self, run: Any, estimator: Any, options: Mapping[str, Any]) -> None:
        """`estimator` is what is trained, with the integration's options as they stand."""
        self.run, self.estimator, self.options = run, estimator, options
        self.found: list[Found] = []
        self._began = time.time()
        self._token: Token[Searches | None] | None = None

    def __enter__(self) -> Searches:
        self._token = searching.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if self._token is not None:
            searching.reset(self._token)
        if error is None:
            return
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        for found in self.found:
            if found.live is not None:
                found.live.give_up(status)
            if found.run is not self.run:
                found.run.end(status)

    @guarded("following the search")
    def begin(self, search: Any) -> Found | None:
        """Take note of a search that begins; None for one inside the refit of another."""
        if self.found and is_search(self.estimator):
            return None
        run = self.run.child(type(search).__name__, tags=_labels(search, self.options)) if self.found else self.run
        live = None
        if self.options["max_tuning_runs"] is None:  # else the best are wanted alone
            live = Live(run, search, search.estimator.get_params(deep=True), _labels(search.estimator, self.options))
        self.found.append(Found(run, search, live))
        return self.found[-1]

    def log_results(self) -> None:
        """Record what the searches found; children are written, or completed, in the background."""
        if not self.found and is_search(self.estimator):  # its class goes a way of its own
            self.found.append(Found(self.run, self.estimator, None))
            self.found[0].began, self.found[0].seconds = self._began, time.time() - self._began
        for found in self.found:
            _log_results(found, self.options)
            if found.run is not self.run:
                found.run.end()


def searched(call: Any) -> Generator[None, Any, None]:
    """Follow a search under way, which calls a function with its candidates, if it is part of a watched training."""
    searches = searching.get()
    found = searches.begin(call.target) if searches is not None and len(call.args) > 1 else None
    if found is None:
        return
    token = searching.set(None)
    if found.live is not None:
        call.args = (call.target, found.live.evaluates(call.args[1]), *call.args[2:])
    try:
        yield
    finally:
        searching.reset(token)
        found.over()


def _labels(estimator: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    kind = type(estimator)
    return {
        "mlflow.autologging": "sklearn",
        **(options["extra_tags"] or {}),
        "estimator_name": kind.__name__,
        "estimator_class": f"{kind.__module__}.{kind.__qualname__}",
    }


@guarded("recording the search")
def _log_results(found: Found, options: Mapping[str, Any]) -> None:
    run, search = found.run, found.search
    results = dict(search.cv_results_)  # the arrays are never changed in place by scikit-learn
    run.log_params({f"best_{name}": value for name, value in (getattr(search, "best_params_", None) or {}).items()})
    if (score := getattr(search, "best_score_", None)) is not None:
        run.log_metrics({"best_cv_score": score})
    table = Table(results, found.began, found.seconds, getattr(search, "n_splits_", 1))
    base = search.estimator.get_params(deep=True)
    rest = _Rest(run, table, base, _labels(search.estimator, options), found.live.rows if found.live else {})
    rest.best, rest.resource = getattr(search, "best_index_", None), getattr(search, "resource", "")
    run.later(partial(rest.log, options["max_tuning_runs"]))


class _Rest:
    """What is left to record when a search is over: the table, and the children or what they lack."""

    best: int | None = None
    resource = ""

    def __init__(
        self, run: Any, table: Table, base: Mapping[str, Any], tags: Mapping[str, str], children: dict[int, Candidate]
    ) -> None:
        self.run, self.table, self.base, self.tags, self.children = run, table, base, tags, children

    @guarded("recording the candidates")
    def log(self, limit: int | None) -> None:
        """Record as many candidates as children as are wanted, the best ones."""
        with contextlib.suppress(TypeError, ValueError):  # a user's own table may hold what no line of text does
            self.run.log_text(self.table.csv(), "cv_results.csv")
        spans, fates = self.table.times(), self.table.fates(self.resource)
        for row in self.table.chosen(limit):
            tags = {"fitscribe.best": "true"} if row == self.best else {}
            if fates:
                tags[FATE] = fates[row]
            if row in self.children:
                self.children.pop(row).settle(self.table.numbers(row), self.table.words(row), tags)
            else:
                self._child(row, tags, *spans[row])

    def _child(self, row: int, tags: Mapping[str, str], begins: float, ends: float) -> None:
        params = self.table.candidates[row]
        child = self.run.child(name_of(params), tags={**self.tags, **tags}, at=round(begins * 1000))
        child.log_params({**self.base, **params, **self.table.words(row)})
        child.log_metrics(self.table.numbers(row), at=round(ends * 1000))
        child.end("FAILED" if self.table.failed(row) else "FINISHED", at=round(ends * 1000))
