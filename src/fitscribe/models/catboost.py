"""The CatBoost flavor: a model in CatBoost's own format, which runs nothing when it is loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import quietly
from fitscribe.models import examples, native
from fitscribe.models.datasets import describe
from fitscribe.models.kinds import kind_of
from fitscribe.models.written import Written
from fitscribe.records import Bars

__all__ = [
    "Follower",
    "Rounds",
    "answers",
    "check",
    "datasets",
    "folds",
    "importances",
    "load",
    "predictor",
    "rows",
    "runs_code",
    "write",
]

FORMATS = ("cbm", "json")
ITERATIONS = ("iterations", "n_estimators", "num_boost_round", "num_trees")


def check(**options: Any) -> None:
    """Take any options: there are none that `write` refuses whatever the model is."""


def write(model: Any, folder: Path, *, limit: float | None = None) -> Written:
    """Write a trained model into a folder, now.

    `MisuseError`: it is none, or has more than `limit` bytes. What CatBoost says of one that is not trained passes.
    """
    import catboost

    kind = native.known_class(model, "catboost", (catboost.CatBoost,))
    file = folder / "model.cb"
    native.saved(model.save_model, file, limit)
    own = {
        "catboost_version": str(catboost.__version__),
        "code": None,
        "data": file.name,
        "model_type": kind.__name__,
        "save_format": "cbm",
    }
    return native.written(file, "catboost", own, {"catboost", "numpy", "pandas", "scipy"})


def load(folder: Path, conf: Mapping[str, Any]) -> Any:
    """Load a model. `MisuseError`: there is no such file, or its class or format is none that CatBoost loads."""
    import catboost

    name, save_format = str(conf.get("model_type") or "CatBoost"), str(conf.get("save_format") or "cbm")
    if save_format not in FORMATS:
        raise MisuseError(f"CatBoost loads models saved as {' or '.join(FORMATS)}, and this one is {save_format!r}")
    model = native.named_class(f"catboost.{name}", catboost, (catboost.CatBoost,))()
    model.load_model(str(native.file_of(folder, conf)), format=save_format)
    return model


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: none, for CatBoost reads numbers and text."""
    return []


def predictor(folder: Path, conf: Mapping[str, Any], *, model_config: Any = None, **options: Any) -> native.Predictor:
    """Load what answers `predict`; `conf` is what stands under the flavor's own name as well."""
    return native.Predictor(load(folder, conf))


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the model makes of these rows."""
    return model.predict(rows)


def rows(data: Any) -> Any:
    """Return a copy of the first rows of a Pool, or of what else `fit` takes; None where nobody can tell them.

    A Pool with categories, texts or embeddings does not give them back.
    """
    if kind_of(data) in ("frame", "array", "sparse", "list"):
        return examples.first_rows(data).copy()
    values = quietly(lambda: data.slice(list(range(min(examples.ROWS, data.num_row())))).get_features(), default=None)
    names = quietly(data.get_feature_names, default=None)
    if values is None or not names or names == [str(place) for place in range(len(names))]:
        return values
    import pandas

    return pandas.DataFrame(values, columns=names)


def datasets(X: Any, y: Any, eval_set: Any) -> list[tuple[dict[str, str] | None, str, str]]:
    """Return what is told of the data of a training: facts, context and name, that which is trained on first."""
    several = eval_set if isinstance(eval_set, list) else [] if eval_set is None else [eval_set]
    names = ["validation"] if len(several) == 1 else [f"validation_{place}" for place in range(len(several))]
    pairs = [each if isinstance(each, tuple) else (each, None) for each in several]
    found = [(quietly(_facts, *pair, default=None), "eval", name) for pair, name in zip(pairs, names, strict=True)]
    return [(quietly(_facts, X, y, default=None), "train", "dataset"), *found]


def _facts(X: Any, y: Any = None) -> dict[str, str] | None:
    """Describe arrays and frames; of a Pool its shape, names and labels, for its values would have to be copied."""
    if hasattr(X, "get_feature_names") and hasattr(X, "get_label"):
        return native.facts(X.shape, X.get_feature_names(), quietly(X.get_label, default=None))
    return describe(X, y)


class Follower:
    """A callback of CatBoost that never stops the training."""

    def __init__(self, tell: Callable[[Any], object]) -> None:
        """`tell` gets the metrics so far, as `evals_result_` has them."""
        self.tell = tell

    def after_iteration(self, info: Any) -> bool:
        """Hear of a round."""
        self.tell(info.metrics)
        return True


class Rounds:
    """The rounds of one training: told once each, with the steps that they have."""

    def __init__(self, model: Any, metric_period: Any = None, init_model: Any = None) -> None:
        """Begin before the training; after an `init_model` the steps go on."""
        params = model.get_params()
        self.model, self.began = model, time.time()
        self.period = int(metric_period or params.get("metric_period") or 1)
        self.first = int(quietly(getattr, init_model, "tree_count_", default=None) or 0)
        self.last = next((int(params[name]) - 1 for name in ITERATIONS if name in params), 999)
        self.folder = Path(str(params.get("train_dir") or "catboost_info"))
        self.known: dict[int, dict[str, float]] = {}

    def tell(self, metrics: Mapping[str, Mapping[str, Sequence[float]]], say: Callable[..., object]) -> None:
        """Call `say(values, step)` for each round that was not told yet; the names are such as `validation-AUC`."""
        series = {f"{data}-{name}": values for data, part in (metrics or {}).items() for name, values in part.items()}
        for place in range(len(self.known), max(map(len, series.values()), default=0)):
            step = self.first + min(place * self.period, self.last)
            self.known[step] = {name: values[place] for name, values in series.items() if place < len(values)}
            say(self.known[step], step)

    def tell_best(self, say: Callable[..., object]) -> None:
        """Say which round was the best, where data to evaluate told, and its metrics once more, after the last one."""
        place = self.model.best_iteration_
        if place is None or not self.known:
            return
        best, last = self.first + int(place), max(self.known)
        say({"best_iteration": best, "stopped_iteration": last})
        say(self.known.get(best, {}), last + 1)

    def interrupted(self) -> dict[str, dict[str, list[float]]]:
        """Return the metrics of a training that has no end, from the files that CatBoost wrote; {} if it wrote none."""
        files = sorted(self.folder.glob("test*_error.tsv")) if self.folder.is_dir() else []
        names = ["validation"] if len(files) == 1 else [f"validation_{place}" for place in range(len(files))]
        named = [("learn", self.folder / "learn_error.tsv"), *zip(names, files, strict=True)]
        return {name: _columns(file) for name, file in named if file.is_file() and file.stat().st_mtime >= self.began}


def _columns(file: Path) -> dict[str, list[float]]:
    head, *lines = file.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    names = head.split("\t")
    return {
        name: [float(row[place]) for row in rows if len(row) == len(names)]
        for place, name in enumerate(names)
        if name != "iter"
    }


def folds(result: Any) -> list[tuple[int, dict[str, float]]]:
    """Return the metrics of a cross-validation with their steps, from what `cv` returns: a frame or a dict of lists."""
    table = result[0] if isinstance(result, tuple) else result  # with the models
    columns = {str(name): list(table[name]) for name in table}
    steps = columns.pop("iterations", [])
    return [(int(step), {name: column[at] for name, column in columns.items()}) for at, step in enumerate(steps)]


def importances(model: Any) -> dict[str, tuple[dict[str, Any], Bars]]:
    """Return what a model's features weigh, as CatBoost has found out in the training, and a chart of it."""
    values, names = model.feature_importances_, model.feature_names_
    if values.shape != (len(names),):
        return {}  # for this kind of model it takes the data, and long
    weights = dict(zip(names, values.tolist(), strict=True))
    return {"PredictionValuesChange": (weights, native.bars(weights, "PredictionValuesChange"))}
