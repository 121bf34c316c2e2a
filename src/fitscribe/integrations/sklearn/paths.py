"""The path of an estimator that chooses its own param by cross-validation (`LassoCV`, `RFECV`, ...), as a table.

scikit-learn keeps it in three forms: `mse_path_` of the linear models beside their alphas, `scores_` of
`LogisticRegressionCV` by class, and a `cv_results_` of columns elsewhere. Each becomes `cv_path.csv`, a metric with
one step for each value that was tried, and a chart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn.iterations import attributes, learned
from fitscribe.integrations.sklearn.search import is_search
from fitscribe.integrations.sklearn.sheet import by_split, chart, sheet

__all__ = ["log"]

CHOSEN = {"C_": "Cs", "l1_ratio_": "l1_ratios", "alpha_": "alphas"}  # by the param that they were chosen from
MANY = 50  # classes of which each one's choice is a metric of its own

Table = dict[str, list[Any]]


@guarded("recording the path")
def log(run: Any, estimator: Any) -> None:
    """Record what a fitted estimator tried and what it chose."""
    for each in learned(estimator):
        run.log_metrics(chosen(each))
        table = None if is_search(each) else path_of(each)
        if table:
            run.later(partial(_log_path, run, table, type(each).__name__))
            return


def chosen(estimator: Any) -> dict[str, float]:
    """Return the chosen values that are arrays: one number where all are the same, else one for each class."""
    import numpy

    found: dict[str, Any] = {}
    held = attributes(estimator)
    for name, choice in CHOSEN.items():
        values = held.get(name) if choice in held else None
        if not isinstance(values, numpy.ndarray) or values.dtype.kind not in "iuf" or not 0 < values.size <= MANY:
            continue
        flat = values.ravel()
        labels = held.get("classes_", ())
        names = labels if len(labels) == flat.size else range(flat.size)
        same = bool((flat == flat[0]).all())
        found |= {name: flat[0]} if same else {f"{name}{each}": value for each, value in zip(names, flat, strict=True)}
    return {name: float(value) for name, value in found.items()}


def path_of(estimator: Any) -> Table | None:
    """Return columns of what was tried, the first of them the param; None where an estimator keeps no path."""
    held = attributes(estimator)
    if isinstance(held.get("cv_results_"), Mapping):
        return _results(held["cv_results_"])
    if hasattr(held.get("mse_path_"), "ndim"):
        return _errors(held)
    if "scores_" in held and "Cs_" in held:
        return _scores(held)
    if hasattr(held.get("cv_results_"), "ndim") and "alphas" in held:
        return _squares(held)
    return None


def _results(results: Mapping[str, Any]) -> Table | None:
    """`RFECV`, `GraphicalLassoCV` and others: columns already."""
    import numpy

    first = next((name for name in ("n_features", "alphas", "thresholds") if name in results), None)
    columns = {name: numpy.asarray(column) for name, column in results.items()}
    columns = {name: column for name, column in columns.items() if column.ndim == 1 and column.dtype.kind in "biufU"}
    if not columns or len({len(column) for column in columns.values()}) > 1:
        return None
    order = sorted(columns, key=lambda name: name != first)
    return {name: columns[name].tolist() for name in order}


def _errors(held: Mapping[str, Any]) -> Table:
    """`LassoCV`, `ElasticNetCV`, `LarsCV`: the mean squared errors by alpha and fold, perhaps by l1_ratio above."""
    import numpy

    errors = numpy.asarray(held["mse_path_"])
    alphas = numpy.asarray(held["cv_alphas_"] if "cv_alphas_" in held else held["alphas_"])
    table: Table = {"alpha": numpy.broadcast_to(alphas, errors.shape[:-1]).ravel().tolist()}
    if errors.ndim == 3:
        ratios = numpy.ravel(held["l1_ratio"])
        table["l1_ratio"] = numpy.repeat(ratios, errors.shape[1]).tolist()
    return table | by_split("mse", errors.reshape(-1, errors.shape[-1]))


def _scores(held: Mapping[str, Any]) -> Table:
    """`LogisticRegressionCV`: scores by fold and C, perhaps by l1_ratio below; for each class or for all of them."""
    import numpy

    scores = held["scores_"]
    by_class = scores if isinstance(scores, Mapping) else {"": scores}
    grids = {each: numpy.asarray(values) for each, values in by_class.items()}
    first = next(iter(grids.values()))
    if all(numpy.array_equal(grid, first, equal_nan=True) for grid in grids.values()):
        grids = {"": first}  # one model of all classes: each class has the same scores
    Cs, ratios = numpy.ravel(held["Cs_"]), held.get("l1_ratios_")
    width = first[0].size // len(Cs)
    table: Table = {"C": numpy.repeat(Cs, width).tolist()}
    if width > 1 and ratios is not None:
        table["l1_ratio"] = numpy.tile(numpy.asarray(ratios), len(Cs)).tolist()
    for each, grid in grids.items():
        table |= by_split("score" if each == "" else f"score_{each}", grid.reshape(grid.shape[0], -1).T)
    return table


def _squares(held: Mapping[str, Any]) -> Table | None:
    """`RidgeCV` that was told to keep its results: one for each row (and target) and alpha."""
    import numpy

    values, alphas = held["cv_results_"], numpy.ravel(held["alphas"])
    if values.shape[-1] != len(alphas):
        return None
    flat = values.reshape(-1, len(alphas))
    return {"alpha": alphas.tolist(), "mean_cv_result": flat.mean(axis=0).tolist()}


@guarded("writing the path")
def _log_path(run: Any, table: Table, kind: str) -> None:
    run.log_text(sheet(table), "cv_path.csv")
    means = {name: column for name, column in table.items() if name.startswith("mean_") or name == "scores"}
    if not means:
        return
    rows = len(next(iter(means.values())))
    for step in range(rows):
        run.log_metrics({f"cv_path_{name}": column[step] for name, column in means.items()}, step=step)
    x, drawn = next(iter(table)), {name: column for name, column in means.items() if not name.endswith("_time")}
    for ratio in sorted(set(table.get("l1_ratio", ()))):
        picked = [row for row in range(rows) if table["l1_ratio"][row] == ratio]
        series = {name: [column[row] for row in picked] for name, column in drawn.items()}
        picture = chart(f"{kind}, l1_ratio {ratio:g}", (x, [table[x][row] for row in picked]), "mean", series)
        run.log_chart(picture, f"cv_path_l1_ratio_{ratio:g}.png")
    if "l1_ratio" not in table:
        run.log_chart(chart(kind, (x, table[x]), "mean", drawn), "cv_path.png")
