"""A candidate of a search: the child run of it, from its first split to its last."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

__all__ = ["Candidate", "Task", "name_of", "unscored"]

SHORT = 100  # characters of a child's name


class Task(NamedTuple):
    """One fit of one candidate on one split, as scikit-learn numbers them."""

    parameters: Mapping[str, Any]
    candidate: int
    candidates: int
    split: int
    splits: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Task | None:
        """Read the keywords of a task; None where it is another kind of task, or scikit-learn changed them."""
        if not {"parameters", "candidate_progress", "split_progress"} <= given.keys():
            return None
        return cls(given["parameters"], *given["candidate_progress"], *given["split_progress"])


class Candidate:
    """A child run that grows with each split, in whatever order they come."""

    def __init__(self, run: Any, params: Mapping[str, Any], splits: int) -> None:
        """Begin to record on `run`, the child."""
        self.run, self.splits, self.left = run, splits, splits
        self.run.log_params(params)
        self.numbers: dict[str, float] = {}  # as they will stand in `cv_results_`
        self.columns: dict[str, dict[int, float]] = {}
        self.errors: dict[int, str] = {}

    def split(self, task: Task, result: Mapping[str, Any], named_later: bool) -> None:
        """Record the result of one split, and with the last one the means; then the child is over.

        `named_later`: the user's own scoring may give several scores; a split that failed does not know their names.
        """
        error = result.get("fit_error")
        found = _numbers(result, scored=not (error and named_later))
        self.run.log_metrics(found, step=task.split)
        for name, value in found.items():
            self.columns.setdefault(name, {})[task.split] = value
            if not name.endswith("_time"):
                self.numbers[f"split{task.split}_{name}"] = value
        if error:
            self.errors[task.split] = error
            self.run.log_text(error, f"split{task.split}_traceback.txt")
        self.left -= 1
        if not self.left:
            self._summarise()

    def _summarise(self) -> None:
        import numpy

        for name, column in self.columns.items():
            if len(column) < self.splits:
                continue
            values = numpy.array([column[split] for split in sorted(column)], dtype=numpy.float64)[None]
            mean = numpy.average(values, axis=1)  # step by step as scikit-learn does it, to the last digit
            self.numbers[f"mean_{name}"] = float(mean[0])
            self.numbers[f"std_{name}"] = float(numpy.sqrt(numpy.average((values - mean[:, None]) ** 2, axis=1))[0])
        self.run.log_metrics(self.numbers)
        if self.errors:
            last = self.errors[max(self.errors)]
            failed = f"{len(self.errors)} of {self.splits}"
            self.run.set_tags({"fitscribe.error": last.strip().rpartition("\n")[2], "fitscribe.failed_splits": failed})
        self.end("FAILED" if self.errors or unscored(self.numbers.items()) else "FINISHED")

    def end(self, status: str) -> None:
        """End the child; twice is once."""
        self.columns.clear()
        self.run.end(status)

    def settle(self, numbers: Mapping[str, float], params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Add what could not be known before the search was over: ranks, which is the best."""
        news = {name: value for name, value in numbers.items() if not _same(value, self.numbers.get(name))}
        self.run.log_metrics(news)
        for split in range(self.splits):  # where the names of the scores of a split that failed were not known
            start = f"split{split}_"
            self.run.log_metrics({k.removeprefix(start): v for k, v in news.items() if k.startswith(start)}, split)
        self.run.log_params(params)
        self.run.set_tags(tags)


def unscored(numbers: Iterable[tuple[str, float]]) -> bool:
    """Say whether none of a candidate's mean scores is a number: it cannot be ranked."""
    means = [value for name, value in numbers if name.startswith("mean_test_")]
    return bool(means) and all(math.isnan(value) for value in means)


def _numbers(result: Mapping[str, Any], scored: bool) -> dict[str, float]:
    found = {}
    for part in ("test", "train") if scored else ():
        scores = result.get(f"{part}_scores")
        if isinstance(scores, Mapping):
            found.update({f"{part}_{name}": float(value) for name, value in scores.items()})
        elif scores is not None:
            found[f"{part}_score"] = float(scores)
    return {**found, **{name: float(result[name]) for name in ("fit_time", "score_time") if name in result}}


def _same(one: float, other: float | None) -> bool:
    """Compare two numbers, NaN being the same as NaN."""
    return one == other or (other is not None and math.isnan(one) and math.isnan(other))


def name_of(params: Mapping[str, Any]) -> str:
    """Name a candidate by what sets it apart: `C=0.1, kernel=rbf`."""
    words = ", ".join(f"{name.rpartition('__')[2]}={_short(value)}" for name, value in params.items())
    return words if len(words) <= SHORT else words[: SHORT - 3] + "..."


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
