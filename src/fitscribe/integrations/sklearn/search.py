"""Searches: the parent's best values and table, and every candidate as a child run."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn.candidate import Candidate, name_of
from fitscribe.integrations.sklearn.live import Live

__all__ = ["follow", "is_search", "log_results"]


def is_search(estimator: Any) -> bool:
    """Say whether this is a search over candidates: scikit-learn's, or anything built on them."""
    from sklearn.model_selection._search import BaseSearchCV

    return isinstance(estimator, BaseSearchCV)


def follow(run: Any, search: Any, options: Mapping[str, Any]) -> Live | None:
    """Return, for `with`, who lets candidates be child runs as they come in; None where only the best are wanted."""
    if options["max_tuning_runs"] is not None:
        return None
    with guarded("following the search"):
        return Live(run, search.estimator.get_params(deep=True), _labels(search, options))
    return None


def _labels(search: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    kind = type(search.estimator)
    return {
        "mlflow.autologging": "sklearn",
        **(options["extra_tags"] or {}),
        "estimator_name": kind.__name__,
        "estimator_class": f"{kind.__module__}.{kind.__qualname__}",
    }


@guarded("recording the search")
def log_results(
    run: Any, search: Any, options: Mapping[str, Any], began: float, seconds: float, live: Live | None
) -> None:
    """Record what a finished search found; the children are written, or completed, in the background.

    `began` is when the fit began, in seconds since 1970, and `seconds` how long it took.
    """
    results = dict(search.cv_results_)  # the arrays are never changed in place by scikit-learn
    best = getattr(search, "best_index_", None)
    run.log_params({f"best_{name}": value for name, value in (getattr(search, "best_params_", None) or {}).items()})
    if (score := getattr(search, "best_score_", None)) is not None:
        run.log_metrics({"best_cv_score": score})
    base = search.estimator.get_params(deep=True)
    table = _Table(results, base, _labels(search, options), best, began, seconds, search.n_splits_)
    run.later(partial(_log_table, run, table, options["max_tuning_runs"], live.rows if live else {}))


class _Table:
    """A search's `cv_results_`, by candidate."""

    def __init__(
        self, results: Mapping[str, Any], base: Mapping[str, Any], tags: Mapping[str, str], best: int | None,
        began: float, seconds: float, splits: int,
    ) -> None:  # fmt: skip
        self.results, self.base, self.tags, self.best, self.splits = results, base, tags, best, splits
        self.candidates: list[dict[str, Any]] = results["params"]
        self.began, self.seconds = began, seconds

    def numbers(self, row: int) -> dict[str, float]:
        """Every number of a candidate's row but its params: means, deviations, ranks, times, each split's scores."""
        found = {}
        for name, column in self.results.items():
            if name == "params" or name.startswith("param_"):
                continue
            found[name] = float(column[row])
        return found

    def failed(self, row: int) -> bool:
        """Say whether every split of a candidate failed."""
        scores = [column[row] for name, column in self.results.items() if name.startswith("mean_test_")]
        return bool(scores) and all(math.isnan(score) for score in scores)

    def duration(self, row: int) -> float:
        """How long a candidate's fits and scorings took, in seconds."""
        return float(self.results["mean_fit_time"][row] + self.results["mean_score_time"][row]) * self.splits

    def times(self) -> list[tuple[float, float]]:
        """When each candidate began and ended, in seconds since 1970.

        The lengths are measured; the beginnings are laid out over the search in the candidates' order, which is
        that of the tasks (they may have run in parallel).
        """
        durations = [self.duration(row) for row in range(len(self.candidates))]
        stretch = self.seconds / max(sum(durations), self.seconds, 1e-9)
        spans, offset = [], 0.0
        for duration in durations:
            begins = self.began + offset * stretch
            spans.append((begins, begins + duration))
            offset += duration
        return spans

    def chosen(self, limit: int | None) -> list[int]:
        """The rows that become child runs: all, or the best by the first rank there is."""
        rows = list(range(len(self.candidates)))
        if limit is None or limit >= len(rows):
            return rows
        ranks = next((c for n, c in self.results.items() if n.startswith("rank_test_")), rows)
        return sorted(sorted(rows, key=lambda row: ranks[row])[:limit])


def _log_table(run: Any, table: _Table, limit: int | None, children: Mapping[int, Candidate]) -> None:
    run.log_text(_csv(table.results), "cv_results.csv")
    spans = table.times()
    for row in table.chosen(limit):
        extra = {name: table.results[name][row] for name in ("iter", "n_resources") if name in table.results}
        best = {"fitscribe.best": "true"} if row == table.best else {}
        if row in children:
            children[row].settle(table.numbers(row), extra, best)
            continue
        begins, ends = (round(seconds * 1000) for seconds in spans[row])
        child = run.child(name_of(table.candidates[row]), tags={**table.tags, **best}, at=begins)
        child.log_params({**table.base, **table.candidates[row], **extra})
        child.log_metrics(table.numbers(row), at=ends)
        child.end("FAILED" if table.failed(row) else "FINISHED", at=ends)


def _csv(results: Mapping[str, Any]) -> str:
    """Return the results as a table of text, one row a candidate; a param that it does not have is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(results)
    writer.writerows(zip(*(_cells(column) for column in results.values()), strict=True))
    return out.getvalue()


def _cells(column: Any) -> Iterator[Any]:
    masked = getattr(column, "mask", None)
    for row, value in enumerate(column.tolist() if hasattr(column, "tolist") else column):
        hidden = masked is not None and bool(masked[row] if getattr(masked, "ndim", 0) else masked)
        yield "" if hidden or (isinstance(value, float) and math.isnan(value)) else value
