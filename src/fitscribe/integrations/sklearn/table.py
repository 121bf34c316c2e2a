"""The table of a search, its `cv_results_`, by candidate."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from fitscribe.integrations.sklearn.candidate import unscored
from fitscribe.integrations.sklearn.live import fates

__all__ = ["Table"]

HALVING = ("iter", "n_resources")  # columns that are params of a candidate too: what it was given


class Table:
    """A search's `cv_results_`, by candidate."""

    def __init__(self, results: Mapping[str, Any], began: float, seconds: float, splits: int) -> None:
        """`began` is when the search began, in seconds since 1970, and `seconds` how long it took."""
        self.results, self.began, self.seconds, self.splits = results, began, seconds, splits
        self.candidates: list[dict[str, Any]] = list(results["params"])
        told = {name: column for name, column in results.items() if name != "params" and not name.startswith("param_")}
        self.columns = {name: column for name, column in told.items() if _is_numeric(column)}
        self.others = {name: column for name, column in told.items() if name not in self.columns}

    def numbers(self, row: int) -> dict[str, float]:
        """Every number of a candidate's row but its params: means, deviations, ranks, times, each split's scores."""
        return {name: float(column[row]) for name, column in self.columns.items()}

    def words(self, row: int) -> dict[str, Any]:
        """What a search of its own kind says of a candidate beside numbers, and the resources of a halving search."""
        found = {name: column[row] for name, column in self.others.items()}
        return found | {name: self.results[name][row] for name in HALVING if name in self.results}

    def failed(self, row: int) -> bool:
        """Say whether a candidate cannot be ranked, since splits of it failed."""
        return unscored((name, float(column[row])) for name, column in self.columns.items())

    def duration(self, row: int) -> float:
        """How long a candidate's fits and scorings took, in seconds."""
        columns = [self.columns[name] for name in ("mean_fit_time", "mean_score_time") if name in self.columns]
        return sum(float(column[row]) for column in columns) * self.splits

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

    def fates(self, resource: str) -> list[str]:
        """What became of each candidate of a halving search; nothing for other searches."""
        if not all(name in self.results for name in HALVING):
            return []
        rounds = [
            list(found) for _, found in groupby(range(len(self.candidates)), lambda row: self.results["iter"][row])
        ]
        found: list[str] = []
        for number, (rows, after) in enumerate(zip(rounds, [*rounds[1:], []], strict=True)):
            one, other = ([self.candidates[row] for row in some] for some in (rows, after))
            found += fates(one, other, number, resource) if after else ["in the last iteration"] * len(rows)
        return found

    def csv(self) -> str:
        """Return the table as text, one row a candidate; a param that a candidate does not have is empty."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.results)
        writer.writerows(zip(*(_cells(column) for column in self.results.values()), strict=True))
        return out.getvalue()


def _is_numeric(column: Any) -> bool:
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    return kind in "biuf" if kind else all(isinstance(value, (int, float)) for value in column)


def _cells(column: Any) -> Iterator[Any]:
    masked = getattr(column, "mask", None)
    for row, value in enumerate(column.tolist() if hasattr(column, "tolist") else column):
        hidden = masked is not None and bool(masked[row] if getattr(masked, "ndim", 0) else masked)
        yield "" if hidden or (isinstance(value, float) and math.isnan(value)) else value
