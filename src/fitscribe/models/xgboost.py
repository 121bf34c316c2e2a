"""The XGBoost flavor: a booster or an estimator, in XGBoost's own formats, which run nothing when they are loaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import quietly
from fitscribe.models import native
from fitscribe.models.examples import ROWS
from fitscribe.models.written import Written
from fitscribe.records import Bars

__all__ = [
    "Predictor",
    "Rounds",
    "answers",
    "check",
    "datasets",
    "importances",
    "load",
    "predictor",
    "rows",
    "runs_code",
    "write",
]

FORMATS = ("json", "ubj")
DTYPES = {"float": "float64", "i": "bool", "int": "int64", "q": "float64"}  # by XGBoost's types of features


def check(model_format: str = "ubj", **options: Any) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    if model_format not in FORMATS:
        raise MisuseError(f"unknown model format {model_format!r} of XGBoost; use one of {', '.join(FORMATS)}")


def write(model: Any, folder: Path, *, model_format: str = "ubj", limit: float | None = None) -> Written:
    """Write a booster, or an estimator such as `XGBClassifier`, into a folder, now.

    `MisuseError`: it is neither, or has more than `limit` bytes. What XGBoost says of one that is not trained passes.
    """
    import xgboost

    check(model_format)
    kind = native.known_class(model, "xgboost", _kinds())
    file = folder / f"model.{model_format}"
    native.saved(model.save_model, file, limit)
    own = {
        "code": None,
        "data": file.name,
        "model_class": f"{kind.__module__}.{kind.__qualname__}",
        "model_format": model_format,
        "xgb_version": str(xgboost.__version__),
    }
    needed = {"numpy", "scipy", "xgboost"} | (set() if isinstance(model, xgboost.Booster) else {"sklearn"})
    return native.written(file, "xgboost", own, needed)


def _kinds() -> tuple[type, ...]:
    import xgboost

    return xgboost.Booster, xgboost.XGBModel


def load(folder: Path, conf: Mapping[str, Any]) -> Any:
    """Load a booster or an estimator. `MisuseError`: there is no such file, or the class is not XGBoost's."""
    import xgboost

    model = native.named_class(str(conf.get("model_class") or "xgboost.core.Booster"), xgboost, _kinds())()
    model.load_model(str(native.file_of(folder, conf)))
    return model


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: none, for XGBoost reads numbers and text."""
    return []


class Predictor(native.Predictor):
    """What `pyfunc` asks: of estimators and boosters, the latter take frames and arrays here."""

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the model's answer; `params` are further arguments of its `predict`."""
        return _asked(self.model, data, **(params or {}))


def predictor(folder: Path, conf: Mapping[str, Any], *, model_config: Any = None, **options: Any) -> Predictor:
    """Load what answers `predict`; `conf` is what stands under the flavor's own name as well."""
    return Predictor(load(folder, conf))


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the model makes of these rows; of a booster only numbers of that form and type.

    To ask a booster starts threads of its library, with which a forked child would hang, and wakes a GPU.
    """
    import xgboost

    if not isinstance(model, xgboost.Booster):
        return model.predict(rows)
    told = json.loads(model.save_config())["learner"]
    sizes = {name: int(told["learner_model_param"].get(name) or 0) for name in ("num_class", "num_target")}
    labels = told["objective"]["name"] == "multi:softmax"  # and not a number for each class
    width = max(1, sizes["num_target"], 0 if labels else sizes["num_class"])
    return native.blank(rows, width, "float32")


def _asked(model: Any, data: Any, **params: Any) -> Any:
    import xgboost

    if isinstance(model, xgboost.Booster):
        data = xgboost.DMatrix(data, enable_categorical=True)
    return model.predict(data, **params)


def datasets(data: Any, evals: Any) -> list[tuple[dict[str, str] | None, str, str]]:
    """Return what is told of the data of a training: facts, context and name, that which is trained on first.

    Facts are by shape, names and labels, for the values would have to be copied; None where it is no DMatrix.
    """
    named = [(*each, "") if isinstance(each, tuple) else (None, "") for each in evals or ()]
    found = [(quietly(_facts, each, default=None), "eval", str(name)) for each, name, *_ in named]
    return [(quietly(_facts, data, default=None), "train", "dataset"), *found]


def _facts(data: Any) -> dict[str, str]:
    kinds = data.feature_types
    dtypes = [DTYPES.get(kind, "float64") for kind in kinds] if kinds else None
    shape, stored = (data.num_row(), data.num_col()), quietly(data.num_nonmissing, default=None)
    return native.facts(shape, data.feature_names, data.get_label(), dtypes, stored)


def rows(data: Any) -> Any:
    """Return the first rows of a DMatrix, in the types that it was made of; None where nobody can tell these.

    The rows of a QuantileDMatrix are zeros: it keeps ranges instead of values.
    """
    import numpy

    names, width = data.feature_names, data.num_col()
    kinds = data.feature_types or ["float"] * width
    if not 0 < width <= native.WIDE or not DTYPES.keys() >= set(kinds):
        return None
    few = list(range(min(ROWS, data.num_row())))
    part = quietly(lambda: data.slice(few, allow_groups=True).get_data().tocoo(), default=None)
    values = numpy.full((len(few), width), 0.0 if part is None else numpy.nan)
    if part is not None:
        values[part.row, part.col] = part.data
    if not names:
        return values
    import pandas

    frame = pandas.DataFrame(values, columns=names)
    return quietly(frame.astype, {name: DTYPES[kind] for name, kind in zip(names, kinds, strict=True)}, default=frame)


class Rounds:
    """The rounds of one training, each told once with its step; after a model that was given, the steps go on."""

    def __init__(self, say: Callable[..., object], given: object = None) -> None:
        """`say(values, step)` gets metrics such as `test-ndcg_at_3`; `given` is the `xgb_model` of the training."""
        self.say, self.goes_on = say, given is not None
        self.told, self.first = 0, 0
        self.model: Any = None
        self.log: Mapping[str, Mapping[str, Sequence[Any]]] = {}

    def heard(self, model: Any, epoch: int, log: Mapping[str, Mapping[str, Sequence[Any]]]) -> None:
        """Hear of a round; of one that was missed, since another callback came before and stopped, `end` tells."""
        if self.model is None and self.goes_on:
            self.first = model.num_boosted_rounds() - 1 - epoch
        self.model, self.log = model, log
        self._tell(epoch + 1)

    def end(self) -> None:
        """Say which round was the best, where early stopping told, and its metrics once more, after the last one."""
        self._tell(max((len(values) for part in self.log.values() for values in part.values()), default=0))
        best = None if self.model is None else self.model.attr("best_iteration")
        if best is not None:
            self.say({"best_iteration": int(best), "stopped_iteration": self.first + self.told - 1})
            self.say(self._scores(int(best) - self.first), self.first + self.told)

    def _tell(self, rounds: int) -> None:
        for place in range(self.told, rounds):
            self.say(self._scores(place), self.first + place)
        self.told = max(self.told, rounds)

    def _scores(self, place: int) -> dict[str, float]:
        """Return a round's metrics; those of a cross-validation are pairs: `test-rmse-mean` and `test-rmse-std`."""
        found: dict[str, float] = {}
        for data, metrics in self.log.items():
            for metric, values in metrics.items():
                name = f"{data}-{metric}".replace("@", "_at_")
                value = values[place] if 0 <= place < len(values) else None
                if isinstance(value, tuple):
                    found[f"{name}-mean"], found[f"{name}-std"] = value
                elif value is not None:
                    found[name] = value
        return found


def importances(model: Any, kinds: Iterable[str] | None = None) -> dict[str, tuple[dict[str, Any], Bars]]:
    """Return by kind (`weight`, `gain`, ...) what a booster's features weigh, and a chart of it; {} for other things.

    A kind that this booster does not have is left out: a linear one has `weight` alone.
    """
    import xgboost

    if not isinstance(model, xgboost.Booster):
        return {}
    found = {}
    for kind in ("weight",) if kinds is None else kinds:
        try:
            weights = model.get_score(importance_type=kind)
        except (ValueError, xgboost.core.XGBoostError):
            continue
        found[kind] = weights, native.bars(weights, kind)
    return found
