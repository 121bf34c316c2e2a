"""A small table of numbers as CSV text and, where it has an x, as a chart."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fitscribe import Lines

__all__ = ["by_split", "chart", "log_mean_and_std", "mean_and_std", "sheet"]

DECADES = 2  # of an axis, from which on it is drawn by the powers of ten


def sheet(columns: Mapping[str, Sequence[Any]]) -> str:
    """Return columns of one length as CSV, one line a row; what is no number (NaN) is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value for value in row])
    return out.getvalue()


def log_mean_and_std(run: Any, columns: Mapping[str, Any], step: int = 0) -> None:
    """Record the mean and the standard deviation of each column, a numpy array of one value a split."""
    found: dict[str, float] = {}
    for name, values in columns.items():
        found[f"mean_{name}"], found[f"std_{name}"] = (float(each) for each in mean_and_std(values))
    run.log_metrics(found, step=step)


def mean_and_std(values: Any, axis: int | None = None) -> tuple[Any, Any]:
    """Return both of a numpy array, without the warnings that infinite scores would bring."""
    import numpy

    with numpy.errstate(all="ignore"):
        return values.mean(axis=axis), values.std(axis=axis)


def by_split(name: str, values: Any) -> dict[str, list[Any]]:
    """Return the columns of an array of one row for each value tried and one column for each split."""
    mean, std = mean_and_std(values, axis=1)
    table = {f"mean_{name}": mean.tolist(), f"std_{name}": std.tolist()}
    return table | {f"split{split}_{name}": column.tolist() for split, column in enumerate(values.T)}


def chart(title: str, x: tuple[str, Sequence[Any]], y: str, series: Mapping[str, Sequence[Any]]) -> Lines:
    """Return lines over x, a name and its values; values that are no numbers are counted instead."""
    name, places = x[0], _numbers(x[1])
    if min(places) > 0 and math.log10(max(places) / min(places)) >= DECADES:
        name, places = f"log10 of {name}", [math.log10(place) for place in places]
    return Lines(title, name, y, {each: _known(places, values) for each, values in series.items()})


def _numbers(values: Sequence[Any]) -> list[float]:
    found = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    if len(found) == len(values) and all(map(math.isfinite, found)):
        return found
    return [float(place) for place in range(len(values))]


def _known(places: list[float], values: Sequence[Any]) -> tuple[list[float], list[float]]:
    """Leave out the points that have no y."""
    points = [(place, float(value)) for place, value in zip(places, values, strict=True) if math.isfinite(value)]
    return [place for place, _ in points], [value for _, value in points]
