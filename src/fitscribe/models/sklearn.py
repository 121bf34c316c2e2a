"""The scikit-learn flavor: a fitted estimator to a file that MLflow reads as well, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import quietly
from fitscribe.models import directory, serialization, soundness
from fitscribe.models.format import file_inside
from fitscribe.models.serialization import Format
from fitscribe.models.written import Written

__all__ = ["Predictor", "answers", "check", "file_name", "load", "load_model", "predictor", "runs_code", "write"]

_TOOLS: dict[str, tuple[str, ...]] = {"cloudpickle": ("cloudpickle",), "skops": ("skops",), "pickle": ()}


def file_name(serialization_format: str) -> str:
    """Return the name that a model's own file has in a model directory."""
    return "model.skops" if serialization_format == "skops" else "model.pkl"


def check(serialization_format: str = "cloudpickle", **options: Any) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    serialization.check_format(serialization_format)


def write(
    model: Any,
    folder: Path,
    *,
    serialization_format: Format = "cloudpickle",
    pyfunc_predict_fn: str = "predict",
    skops_trusted_types: Iterable[str] = (),
    limit: float | None = None,
) -> Written:
    """Write a model into a folder, now; this is all that has to happen before the user's code goes on.

    After an error there is no file. `MisuseError`: the model cannot be written in this format, or has more than `limit`
    bytes.
    """
    import sklearn

    if model is None:
        raise MisuseError("the model is None; give a fitted estimator")
    name, trusted = file_name(serialization_format), tuple(skops_trusted_types)
    file = folder / name
    modules = serialization.dump(model, file, serialization_format, trusted, limit)
    if serialization_format == "skops" and any(one.endswith(".*") for one in trusted):
        trusted = tuple(serialization.unknown_types(file))
    entries: dict[str, Any] = {
        "sklearn": {
            "code": None,
            "pickled_model": name,
            "serialization_format": serialization_format,
            "sklearn_version": str(sklearn.__version__),
            "skops_trusted_types": list(trusted) or None,  # read by MLflow's loader, never by ours
        }
    }
    if quietly(getattr, model, pyfunc_predict_fn, default=None):
        entries["python_function"] = {
            "loader_module": "mlflow.sklearn",
            "model_path": name,
            "predict_fn": pyfunc_predict_fn,
        }
    # scikit-learn cannot be loaded without the two that it stands on
    needed = {*modules, *_TOOLS[serialization_format], "sklearn", "numpy", "scipy"}
    return Written(entries, (name,), file.stat().st_size, tuple(sorted(needed)))


def answers(model: Any, rows: Any, *, pyfunc_predict_fn: str = "predict", **options: Any) -> Any:
    """Return what the model makes of these rows: predictions, or what a transformer makes."""
    ask = getattr(model, pyfunc_predict_fn, None) or getattr(model, "transform", None)
    return None if ask is None else ask(rows)


def load(folder: Path, conf: Mapping[str, Any], *, trusted: Iterable[str] = ()) -> Any:
    """Load an estimator; a pickle runs what it says. Types that skops does not know load only if `trusted` names them.

    `MisuseError`: there is no such file, or it is refused.
    """
    file = file_inside(folder, _file(conf))
    return serialization.load(file, str(conf.get("serialization_format", "pickle")), tuple(trusted))


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: a pickle; none where the model is a skops file.

    Of a version of skops that has known holes, that one too.
    """
    serialization_format = str(conf.get("serialization_format", "pickle"))
    serialization.check_format(serialization_format)
    if serialization_format == "skops" and not soundness.doubted("skops"):
        return []
    return [_file(conf)]


def _file(conf: Mapping[str, Any]) -> str:
    return str(conf.get("pickled_model") or conf.get("model_path"))  # the second: where python_function stands alone


class Predictor:
    """What `pyfunc` asks: the estimator's method of that name."""

    def __init__(self, model: Any, predict_fn: str) -> None:
        """Keep an estimator and the name of the method that answers."""
        self.model, self.predict_fn = model, predict_fn

    def get_raw_model(self) -> Any:
        """Return the estimator."""
        return self.model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the estimator's answer; `params` are further arguments of its method."""
        return getattr(self.model, self.predict_fn)(data, **(params or {}))


def predictor(
    folder: Path, conf: Mapping[str, Any], *, trusted: Iterable[str] = (), model_config: Any = None
) -> Predictor:
    """Load what answers `predict`; `conf` is what stands under the flavor's own name as well."""
    model = load(folder, conf, trusted=trusted)
    return Predictor(model, str(conf.get("predict_fn") or "predict"))


def load_model(path: str | Path, *, trusted: Iterable[str] = (), trust: Any = None) -> Any:
    """Load an estimator from a model directory. `NotFoundError`: none there; `MisuseError`: another flavor."""
    return directory.load(path, "sklearn", trust=trust, options={"trusted": trusted})
