"""Cross-validation without a search: one run for a call, a fold is a step of its metrics.

Steps and not child runs, since folds are the spread of one result: nobody looks for a fold by its params, and ten
calls would bury the runs that one compares under a hundred. `cross_val_predict` gives no scores and makes no run; the
fits inside any of these functions make none either.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn import params, search
from fitscribe.integrations.sklearn.live import Live, following
from fitscribe.integrations.sklearn.sheet import by_split, chart, log_mean_and_std, sheet

__all__ = ["FUNCTIONS", "validated"]

TOLD = ("cv", "scoring", "train_sizes", "param_name", "param_range", "n_permutations")  # as `validation.*`


def validated(call: Any) -> Generator[None, Any, None]:
    """Record the call of a function that fits an estimator on parts of the data and scores it on the rest."""
    estimator, function = call.argument("estimator"), call.function.__name__
    kind = type(estimator)
    with call.run(f"{function}({kind.__name__})") as run:
        named = {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__qualname__}"}
        run.set_tags({**named, "fitscribe.validation": function})
        inside = params.log_plain(run, estimator, deep=not search.is_search(estimator))
        told = {f"validation.{name}": call.argument(name) for name in TOLD if call.argument(name) is not None}
        run.log_params(told)
        if inside:
            run.later(partial(params.log_inside, run, inside))
        if call.options["log_datasets"]:
            run.log_data(call.argument("X"), call.argument("y"))
        folds = Folds(run, function in FOLDED, callable(call.argument("scoring")))
        try:
            with following(folds):
                result = yield
        finally:
            folds.log_errors()
        with guarded(f"recording {function}"):
            FUNCTIONS[function](run, folds, call, result)


class Folds(Live):
    """The folds of a cross-validation under way: what `Live` is for the candidates of a search."""

    def __init__(self, run: Any, wanted: bool, named_later: bool) -> None:
        """`wanted`: each result is a fold of its own. `named_later`: a fold that failed has no names of scores."""
        super().__init__(run, None, {}, {})
        self.wanted, self.named_later, self.of = wanted, named_later, "folds" if wanted else "fits"
        self.said: set[int] = set()  # results that came in
        self.told: set[int] = set()  # of which the scores are recorded
        self.errors: dict[int, str] = {}

    def noted(self, tasks: Iterable[Any]) -> Iterator[Any]:
        """Pass on the tasks; results say all there is to know."""
        self.came = 0
        return iter(tasks)

    @guarded("following the folds")
    def _take(self, place: int, result: Any) -> None:
        if place in self.said or not isinstance(result, dict) or "test_scores" not in result:
            return
        self.said.add(place)
        error = result.get("fit_error")
        if error:
            self.errors[place] = error
        if self.wanted and not (error and self.named_later):
            self.run.log_metrics(_row(result), step=place)
            self.told.add(place)

    @guarded("recording what failed")
    def log_errors(self) -> None:
        """Record why fits failed, with one traceback in full."""
        if self.errors:
            first = self.errors[min(self.errors)]
            last, failed = first.strip().rpartition("\n")[2], f"{len(self.errors)} of {len(self.said)}"
            self.run.set_tags({"fitscribe.error": last, f"fitscribe.failed_{self.of}": failed})
            self.run.log_text("\n".join(self.errors.values()), "tracebacks.txt")


def _row(result: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of one fold under the names that `cross_validate` gives them."""
    found = {}
    for part in ("test", "train"):
        scores = result.get(f"{part}_scores")
        if isinstance(scores, Mapping):
            found.update({f"{part}_{name}": float(value) for name, value in scores.items()})
        elif scores is not None:
            found[f"{part}_score"] = float(scores)
    return {**found, **{name: float(result[name]) for name in ("fit_time", "score_time") if name in result}}


def _cross_validate(run: Any, folds: Folds, call: Any, result: Any) -> None:
    """The dict of `cross_validate`: its columns of numbers, fold by fold."""
    import numpy

    columns = {
        name: numpy.asarray(column, dtype=float)
        for name, column in result.items()
        if name in ("fit_time", "score_time") or name.startswith(("test_", "train_"))
    }
    count = len(columns["fit_time"])
    for fold in set(range(count)) - folds.told:
        run.log_metrics({name: column[fold] for name, column in columns.items()}, step=fold)
    run.log_params({"validation.splits": count})
    log_mean_and_std(run, columns)
    table = {"fold": range(count), **{name: column.tolist() for name, column in columns.items()}}
    run.log_text(sheet(table), "cross_validation.csv")


def _cross_val_score(run: Any, folds: Folds, call: Any, result: Any) -> None:
    """The scores alone; the times of folds, which the user is not told, are recorded as they come in."""
    count = len(result)
    for fold in set(range(count)) - folds.told:
        run.log_metrics({"test_score": result[fold]}, step=fold)
    run.log_params({"validation.splits": count})
    log_mean_and_std(run, {"test_score": result})
    run.log_text(sheet({"fold": range(count), "test_score": result.tolist()}), "cross_validation.csv")


def _learning_curve(run: Any, folds: Folds, call: Any, result: Any) -> None:
    """Scores over the number of rows trained on, which is the step."""
    sizes = result[0].tolist()
    names = ("train_score", "test_score", "fit_time", "score_time")
    columns = dict(zip(names, result[1:], strict=False))
    _log_curve(run, "learning_curve", ("train_size", sizes), columns, steps=sizes)


def _validation_curve(run: Any, folds: Folds, call: Any, result: Any) -> None:
    """Scores over the values of one param; the step is the value's place."""
    values = list(call.argument("param_range"))
    values = [value.item() if hasattr(value, "item") else value for value in values]
    columns = {"train_score": result[0], "test_score": result[1]}
    _log_curve(run, "validation_curve", (call.argument("param_name"), values), columns, steps=range(len(values)))


def _log_curve(run: Any, name: str, x: tuple[str, list[Any]], columns: Mapping[str, Any], steps: Iterable[int]) -> None:
    for place, step in enumerate(steps):
        log_mean_and_std(run, {each: values[place] for each, values in columns.items()}, step=int(step))
    run.log_params({"validation.splits": columns["test_score"].shape[1]})
    table = {x[0]: x[1]}
    for each, values in columns.items():
        table |= by_split(each, values)
    run.log_text(sheet(table), f"{name}.csv")
    means = {"training": table["mean_train_score"], "test": table["mean_test_score"]}
    run.log_chart(chart(name.replace("_", " ").capitalize(), x, "mean score", means), f"{name}.png")


def _permutation_test_score(run: Any, folds: Folds, call: Any, result: Any) -> None:
    """The score on the data as it is, and on each permutation of the labels, which is a step."""
    score, permutations, pvalue = result
    run.log_metrics({"test_score": score, "pvalue": pvalue})
    for step, value in enumerate(permutations.tolist()):
        run.log_metrics({"permutation_score": value}, step=step)
    log_mean_and_std(run, {"permutation_score": permutations})
    table = {"permutation": range(len(permutations)), "score": permutations.tolist()}
    run.log_text(sheet(table), "permutation_scores.csv")


FOLDED = ("cross_validate", "cross_val_score")  # each of their fits is a fold; the others' are points of a curve

FUNCTIONS: Mapping[str, Callable[[Any, Folds, Any, Any], None]] = {
    "cross_validate": _cross_validate,
    "cross_val_score": _cross_val_score,
    "learning_curve": _learning_curve,
    "validation_curve": _validation_curve,
    "permutation_test_score": _permutation_test_score,
}
