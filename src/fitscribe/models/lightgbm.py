"""The LightGBM flavor: a booster as text, which runs nothing when it is loaded, and an estimator as a pickle."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fitscribe.guard import quietly
from fitscribe.models import examples, native, serialization, sklearn
from fitscribe.models.datasets import describe
from fitscribe.models.kinds import kind_of
from fitscribe.models.serialization import Format
from fitscribe.models.written import Written
from fitscribe.records import Bars

__all__ = [
    "answers",
    "check",
    "datasets",
    "importances",
    "load",
    "predictor",
    "rows",
    "runs_code",
    "scores",
    "write",
]

BOOSTER = "lightgbm.basic.Booster"
KNOWN = (  # what a skops file of an estimator holds; reading these runs nothing but LightGBM
    BOOSTER,
    "collections.OrderedDict",
    "collections.defaultdict",
    *(f"lightgbm.sklearn.LGBM{kind}" for kind in ("Classifier", "Model", "Ranker", "Regressor")),
)


def check(serialization_format: str = "cloudpickle", **options: Any) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    serialization.check_format(serialization_format)


def write(
    model: Any,
    folder: Path,
    *,
    serialization_format: Format = "cloudpickle",
    skops_trusted_types: Iterable[str] = (),
    limit: float | None = None,
) -> Written:
    """Write a booster, or an estimator such as `LGBMClassifier`, into a folder, now; the format is the estimator's.

    `MisuseError`: it is neither, cannot be written in this format, or has more than `limit` bytes.
    """
    import lightgbm

    check(serialization_format)
    kind = native.known_class(model, "lightgbm", (lightgbm.Booster, lightgbm.LGBMModel))
    own = {"code": None, "lgb_version": str(lightgbm.__version__), "serialization_format": serialization_format}
    if issubclass(kind, lightgbm.Booster):
        file = folder / "model.lgb"
        native.saved(model.save_model, file, limit)
        needed, trusted = {"lightgbm", "numpy", "scipy"}, None
    else:
        file = folder / sklearn.file_name(serialization_format)
        trusted = sorted(
            {*skops_trusted_types, "collections.OrderedDict", BOOSTER, f"lightgbm.sklearn.{kind.__name__}"}
        )
        needed = serialization.dump(model, file, serialization_format, trusted, limit) | {"lightgbm", "sklearn"}
    kind = kind if issubclass(kind, lightgbm.Booster) else type(model)
    named = {"data": file.name, "model_class": f"{kind.__module__}.{kind.__qualname__}", "skops_trusted_types": trusted}
    return native.written(file, "lightgbm", {**own, **named}, needed)


def load(folder: Path, conf: Mapping[str, Any], *, trusted: Iterable[str] = ()) -> Any:
    """Load a booster, or an estimator, whose pickle runs what it says. `MisuseError`: no such file, or refused."""
    import lightgbm

    file = native.file_of(folder, conf)
    if _is_text(conf):
        return lightgbm.Booster(model_file=str(file))
    return serialization.load(file, _format(conf), (*trusted, *KNOWN))


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: a booster's text never does, an estimator's pickle does."""
    return [] if _is_text(conf) else sklearn.runs_code(folder, {"pickled_model": conf.get("data"), **_told(conf)})


def _is_text(conf: Mapping[str, Any]) -> bool:
    return str(conf.get("model_class") or BOOSTER) == BOOSTER


def _format(conf: Mapping[str, Any]) -> str:
    return str(conf.get("serialization_format") or "cloudpickle")


def _told(conf: Mapping[str, Any]) -> dict[str, str]:
    return {"serialization_format": _format(conf)}


def predictor(
    folder: Path, conf: Mapping[str, Any], *, trusted: Iterable[str] = (), model_config: Any = None
) -> native.Predictor:
    """Load what answers `predict`; `conf` is what stands under the flavor's own name as well."""
    return native.Predictor(load(folder, conf, trusted=trusted))


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the model makes of these rows; of a booster only numbers of that form and type.

    To ask a booster starts threads of its library, with which a forked child would hang, and sets how many there are
    for whatever else trains in this process.
    """
    import lightgbm

    if not isinstance(model, lightgbm.Booster):
        return model.predict(rows)
    return native.blank(rows, model.num_model_per_iteration(), "float64")


def rows(data: Any) -> Any:
    """Return a copy of the first rows that a Dataset was made of; None where it has let go of them, or has files."""
    if kind_of(data.data) not in ("frame", "array", "sparse"):
        return None
    return examples.first_rows(data.data).copy()


def datasets(data: Any, valid_sets: Any, valid_names: Any) -> list[tuple[dict[str, str] | None, str, str]]:
    """Return what is told of the Datasets of a training: facts, context and name, that which is trained on first.

    Facts are by what a Dataset was made of; by shape, names and labels where that is gone; None where it stands for
    files that nobody has read yet.
    """
    valid = [valid_sets] if hasattr(valid_sets, "num_data") else list(valid_sets or ())
    given = [valid_names] if isinstance(valid_names, str) else list(valid_names or ())
    names = [str(given[at]) if at < len(given) else f"valid_{at}" for at in range(len(valid))]
    found = [(quietly(_facts, each, default=None), "eval", name) for each, name in zip(valid, names, strict=True)]
    return [(quietly(_facts, data, default=None), "train", "dataset"), *found]


def _facts(data: Any) -> dict[str, str]:
    if found := describe(data.data, data.label):
        return found
    return native.facts((data.num_data(), data.num_feature()), data.get_feature_name(), data.get_label())


def scores(results: Iterable[Any]) -> dict[str, float]:
    """Return the metrics that a callback of LightGBM gets, such as `valid_0-ndcg_at_3`.

    Those of a cross-validation come with their deviation: `valid-l2-mean` and `valid-l2-stdv`.
    """
    found: dict[str, float] = {}
    for data, metric, value, _, *deviation in results:
        if not deviation:
            found[f"{data}-{metric}".replace("@", "_at_")] = value
            continue
        both = metric if data == "cv_agg" else f"{data} {metric}"  # before LightGBM 4.7
        name = both.replace(" ", "-", 1).replace("@", "_at_")
        found[f"{name}-mean"], found[f"{name}-stdv"] = value, deviation[0]
    return found


def importances(model: Any) -> dict[str, tuple[dict[str, Any], Bars]]:
    """Return by kind (`split`, `gain`) what a booster's features weigh, and a chart of it; {} for other things."""
    import lightgbm

    found: dict[str, tuple[dict[str, Any], Bars]] = {}
    for kind in ("split", "gain") if isinstance(model, lightgbm.Booster) else ():
        values = model.feature_importance(importance_type=kind).tolist()
        weights = dict(zip(model.feature_name(), values, strict=True))
        found[kind] = weights, native.bars(weights, kind)
    return found
