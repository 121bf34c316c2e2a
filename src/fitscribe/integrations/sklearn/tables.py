"""Tables of what a model learned, under the names of its features: importances, coefficients, clusters, components.

All of it in the background, from the estimator as it was right after its fit. `all_plots` asks for charts as well.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from fitscribe import Bars, Heatmap, Lines, guarded
from fitscribe.integrations.sklearn.frozen import frozen

__all__ = ["final", "kept", "log"]

TOP = 30  # features that a chart shows, those that weigh most
ROWS = 100_000  # of a table; of more features, those that weigh most
CELLS = 10_000_000  # coefficients, beyond which there is no table of them
CLASSES = 30  # columns of coefficients that a chart shows
COPIED = 50_000_000  # bytes of coefficients up to which they are copied


def final(estimator: Any) -> Any:
    """Return what does the work in the end: the last step of a pipeline, the best candidate of a search."""
    for _ in range(10):
        held = vars(estimator)
        inner = held.get("best_estimator_")
        steps = held.get("steps")
        if inner is None and isinstance(steps, list) and steps and hasattr(estimator, "named_steps"):
            inner = steps[-1][1]
        if inner is None or not hasattr(inner, "get_params"):
            return estimator
        estimator = inner
    return estimator


def kept(estimator: Any) -> Any:
    """Return a fitted estimator as it is now; what a later `partial_fit` changes in place is copied."""
    import numpy

    twin = frozen(estimator)
    held = vars(final(twin))
    for name in ("coef_", "intercept_", "cluster_centers_"):
        value = held.get(name)
        if isinstance(value, numpy.ndarray) and value.nbytes <= COPIED:
            held[name] = value.copy()
    return twin


def log(run: Any, estimator: Any, all_plots: bool) -> None:
    """Record each table that there is something for."""
    last = final(estimator)
    for what, record in (
        ("the feature importances", _importances),
        ("the coefficients", _coefficients),
        ("the cluster sizes", _clusters),
        ("the explained variance", _variance),
    ):
        with guarded(f"recording {what}"):
            record(run, estimator, last, all_plots)


def names_of(estimator: Any, last: Any, width: int) -> list[str]:
    """Return the names of the features that the last step was given; `x0`, `x1`, ... where they have none."""
    found = getattr(last, "feature_names_in_", None)
    for above in _pipelines(estimator) if found is None else ():
        with guarded("asking a pipeline for its features' names"):
            found = above[:-1].get_feature_names_out() if _can_name(above) else None
    if found is None:
        found = getattr(estimator, "feature_names_in_", None)
    if found is None or len(found) != width:
        return [f"x{at}" for at in range(width)]
    return [str(name) for name in found]


def _pipelines(estimator: Any) -> list[Any]:
    """Return the innermost pipeline around the last step, if there is one."""
    inner = getattr(estimator, "best_estimator_", estimator)
    while hasattr(getattr(inner, "steps", [[None, None]])[-1][1], "named_steps"):
        inner = inner.steps[-1][1]
    return [inner] if hasattr(inner, "named_steps") and len(inner.steps) > 1 else []


def _can_name(pipeline: Any) -> bool:
    steps = [step for _, step in pipeline.steps[:-1] if step is not None and not isinstance(step, str)]
    return bool(steps) and all(hasattr(step, "get_feature_names_out") for step in steps)


def _importances(run: Any, estimator: Any, last: Any, all_plots: bool) -> None:
    import numpy

    values = getattr(last, "feature_importances_", None)
    if values is None:
        return
    values = numpy.asarray(values, dtype=float)
    if values.ndim != 1 or not len(values):
        return
    names = names_of(estimator, last, len(values))
    order = numpy.argsort(-values, kind="stable")[:ROWS].tolist()
    rows = [(names[at], float(values[at])) for at in order]
    run.log_text(_csv(("feature", "importance"), rows), "feature_importances.csv")
    if all_plots:
        top = rows[:TOP]
        chart = Bars("Feature importances", "importance", [name for name, _ in top], [value for _, value in top])
        run.log_chart(chart, "feature_importances.png")


def _coefficients(run: Any, estimator: Any, last: Any, all_plots: bool) -> None:
    import numpy

    table = getattr(last, "coef_", None)
    if table is None or isinstance(table, list):
        return  # the weights of a network lie in layers
    if not 0 < numpy.prod(numpy.shape(table)) <= CELLS:
        return
    table = table.toarray() if hasattr(table, "toarray") else numpy.asarray(table)
    if table.dtype.kind not in "iuf" or table.ndim > 2:
        return
    table = numpy.atleast_2d(table.astype(float))
    titles = _titles(last, len(table))
    names = names_of(estimator, last, table.shape[1])
    order = numpy.argsort(-abs(table).max(axis=0), kind="stable")[: max(TOP, ROWS // len(table))].tolist()
    rows: list[Sequence[Any]] = [(names[at], *table[:, at].tolist()) for at in order]
    constants = numpy.ravel(getattr(last, "intercept_", ()))
    if len(constants) == len(table):
        rows.append(("(intercept)", *constants.tolist()))
    run.log_text(_csv(("feature", *titles), rows), "coefficients.csv")
    if all_plots and len(table) <= CLASSES:
        _draw_coefficients(run, titles, [names[at] for at in order[:TOP]], table[:, order[:TOP]])


def _draw_coefficients(run: Any, titles: list[str], names: list[str], table: Any) -> None:
    if len(titles) == 1:
        run.log_chart(Bars("Coefficients", "coefficient", names, table[0].tolist()), "coefficients.png")
    else:
        chart = Heatmap("Coefficients", "class or output", "feature", names, titles, table.T.tolist())
        run.log_chart(chart, "coefficients.png")


def _titles(last: Any, rows: int) -> list[str]:
    classes = getattr(last, "classes_", None)
    if rows == 1:
        return ["coefficient"]
    if classes is not None and not isinstance(classes, list) and len(classes) == rows:
        return [str(each) for each in classes]
    return [f"output_{number}" for number in range(rows)]


def _clusters(run: Any, estimator: Any, last: Any, all_plots: bool) -> None:
    import numpy

    labels = getattr(last, "labels_", None)
    if labels is None:
        return
    labels = numpy.asarray(labels)
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
        return
    found, counts = numpy.unique(labels, return_counts=True)
    rows = list(zip(found.tolist(), counts.tolist(), strict=True))
    run.log_text(_csv(("cluster", "members"), rows[:ROWS]), "cluster_sizes.csv")
    run.log_metrics({"n_clusters": int((found >= 0).sum()), **({"noise_rows": rows[0][1]} if rows[0][0] == -1 else {})})
    if all_plots:
        most = sorted(rows, key=lambda row: -row[1])[:TOP]
        names = ["noise" if name == -1 else str(name) for name, _ in most]
        run.log_chart(Bars("Cluster sizes", "rows", names, [float(n) for _, n in most], "cluster"), "cluster_sizes.png")


def _variance(run: Any, estimator: Any, last: Any, all_plots: bool) -> None:
    import numpy

    ratios = getattr(last, "explained_variance_ratio_", None)
    if ratios is None or numpy.ndim(ratios) != 1 or not len(ratios):
        return
    shares, sums = numpy.asarray(ratios, dtype=float), numpy.cumsum(ratios)
    rows = list(zip(range(1, len(shares) + 1), shares.tolist(), sums.tolist(), strict=True))
    run.log_text(_csv(("component", "explained_variance_ratio", "cumulative"), rows), "explained_variance.csv")
    if all_plots:
        x = [float(row[0]) for row in rows]
        series = {"each component": (x, shares.tolist()), "cumulative": (x, sums.tolist())}
        run.log_chart(Lines("Explained variance", "component", "share of variance", series), "explained_variance.png")


def _csv(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return out.getvalue()
