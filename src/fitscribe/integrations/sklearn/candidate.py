"""A candidate of a search: the child run of it, from its first split to its last."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Candidate", "Task", "name_of"]

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
    """A child run that grows with each split."""

    def __init__(self, parent: Any, task: Task, base: Mapping[str, Any], tags: Mapping[str, str], began: float) -> None:
        """Begin the child run at `began`, in seconds since 1970."""
        self.run = parent.child(name_of(task.parameters), tags=tags, at=round(began * 1000))
        self.run.log_params({**base, **task.parameters})
        self.numbers: dict[str, float] = {}  # as they will stand in `cv_results_`
        self.columns: dict[str, list[float]] = {}
        self.errors: list[str] = []
        self.left = task.splits

    def split(self, task: Task, result: Mapping[str, Any]) -> None:
        """Record the result of one split, and with the last one the means; then the child is over."""
        found = _numbers(result)
        self.run.log_metrics(found, step=task.split)
        for name, value in found.items():
            self.columns.setdefault(name, []).append(value)
            if not name.endswith("_time"):
                self.numbers[f"split{task.split}_{name}"] = value
        if result.get("fit_error"):
            self.errors.append(result["fit_error"])
            self.run.log_text(result["fit_error"], f"split{task.split}_traceback.txt")
        self.left -= 1
        if not self.left:
            self._summarise()

    def _summarise(self) -> None:
        import numpy

        for name, column in self.columns.items():
            values = numpy.array(column, dtype=numpy.float64)[None]
            mean = numpy.average(values, axis=1)  # step by step as scikit-learn does it, to the last digit
            self.numbers[f"mean_{name}"] = float(mean[0])
            self.numbers[f"std_{name}"] = float(numpy.sqrt(numpy.average((values - mean[:, None]) ** 2, axis=1))[0])
        self.run.log_metrics(self.numbers)
        if self.errors:
            self.run.set_tags({"fitscribe.error": self.errors[-1].strip().rpartition("\n")[2]})
        self.end("FAILED" if self.errors else "FINISHED")

    def end(self, status: str) -> None:
        """End the child; twice is once."""
        self.columns.clear()
        self.run.end(status)

    def settle(self, numbers: Mapping[str, float], params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Add what could not be known before the search was over: ranks, resources, which is the best."""
        news = {name: value for name, value in numbers.items() if not _same(value, self.numbers.get(name))}
        self.run.log_metrics(news)
        self.run.log_params(params)
        self.run.set_tags(tags)


def _numbers(result: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for part in ("test", "train"):
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
