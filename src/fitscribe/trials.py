"""Trials: what is known of each trial of a search, and all of them as a table and as a chart."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fitscribe.records import Lines, Status
from fitscribe.values import text

if TYPE_CHECKING:
    from fitscribe.run import Run

__all__ = ["ERROR", "Trial", "chart", "table"]

DRAWN = 2000  # points of a chart
ERROR = "fitscribe.error"


class Trial:
    """One trial: its run, and its row of the table."""

    def __init__(self, run: Run, key: Hashable, number: int, began: int) -> None:
        """`number` counts from 0 in the order in which trials begin; `began` is in milliseconds."""
        self.run, self.key, self.number, self.began = run, key, number, began
        self.ended = 0
        self.status: Status = "RUNNING"
        self.params: dict[str, str] = {}
        self.values: list[float] = []
        self.metrics: Mapping[str, Any] = {}
        self.error = ""  # its words alone: an error holds all that ran
        self.says: Status = "FAILED"
        self.reported: dict[str, tuple[float | None, int]] = {}  # the value last reported, and its step

    def take(self, params: Mapping[str, Any] | None) -> None:
        """Record the params that are not known yet."""
        fresh = {name: text(value) for name, value in (params or {}).items() if name not in self.params}
        if fresh:
            self.params.update(fresh)
            self.run.log_params(fresh)

    def complaint(self) -> dict[str, str]:
        """Return the tag that says why it failed, if that is known."""
        return {ERROR: self.error} if self.error and self.status == self.says else {}


def table(rows: Iterable[Trial], objectives: Sequence[str]) -> str:
    """Return the trials as CSV, one row each, in the order in which they began."""
    told = [
        {
            "number": row.number,
            "trial": text(row.key),
            "status": row.status,
            **dict(zip(objectives, row.values, strict=False)),
            **row.metrics,
            "seconds": round((row.ended - row.began) / 1000, 3),
            **{f"param_{name}": value for name, value in row.params.items()},
        }
        for row in rows
    ]
    names = {name: None for row in told for name in row}  # in the order in which they came up
    last = sorted(names, key=lambda name: (name.startswith("param_"), name == "seconds"))
    out = io.StringIO()
    sheet = csv.DictWriter(out, last, lineterminator="\n")
    sheet.writeheader()
    sheet.writerows(told)
    return out.getvalue()


def chart(
    objectives: Sequence[str], signs: Sequence[float], rows: Sequence[Trial], best: Sequence[Trial]
) -> Lines | None:
    """Return the objective by trial with the best so far; of two objectives, one against the other."""
    if len(objectives) == 2:
        some = {"trials": rows, "best": best}
        planes = {name: ([t.values[0] for t in these], [t.values[1] for t in these]) for name, these in some.items()}
        return Lines("trials", objectives[0], objectives[1], planes, list(planes))
    if len(objectives) > 2 or not signs:
        return None
    numbers, values = [float(row.number) for row in rows], [row.values[0] for row in rows]
    so_far = values[:1]
    for value in values[1:]:
        so_far.append(min(value, so_far[-1], key=lambda each: signs[0] * each))
    name, every = objectives[0], -(-len(rows) // DRAWN)
    series = {name: (numbers[::every], values[::every]), f"best {name}": (numbers[::every], so_far[::every])}
    return Lines(f"{name} by trial", "trial", name, series, [name])
