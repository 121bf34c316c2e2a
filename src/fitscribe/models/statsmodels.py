"""The statsmodels flavor: the results of a fit to a file that MLflow reads as well, and back."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import outcome
from fitscribe.models import directory, estimates, serialization
from fitscribe.models.format import file_inside
from fitscribe.models.serialization import Format
from fitscribe.models.written import Written

__all__ = ["FILE", "Predictor", "answers", "check", "load", "load_model", "predictor", "runs_code", "write"]

FILE = "model.statsmodels"


def check(serialization_format: str = "cloudpickle", **options: Any) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    if serialization_format not in ("cloudpickle", "pickle"):
        raise MisuseError(f"results of statsmodels are written as cloudpickle or pickle, not {serialization_format!r}")


def write(
    model: Any,
    folder: Path,
    *,
    serialization_format: Format = "cloudpickle",
    remove_data: bool = False,
    limit: float | None = None,
) -> Written:
    """Write the results of a fit into a folder, now; `remove_data` leaves out all arrays as long as the data.

    The results themselves are not changed, where statsmodels removes the data of both. `MisuseError`: there are none,
    they cannot be pickled, or have more than `limit` bytes.
    """
    import statsmodels

    check(serialization_format)
    if not any(each.__module__.startswith("statsmodels.") for each in type(model).__mro__):
        raise MisuseError(f"a {type(model).__name__} is no result of statsmodels; give what `fit` returned")
    with estimates.settings_kept(model):
        if remove_data:
            model = pickle.loads(pickle.dumps(model))
            model.remove_data()
        modules = serialization.dump(model, folder / FILE, serialization_format, limit=limit)
    entries: dict[str, Any] = {
        "python_function": {"loader_module": "mlflow.statsmodels", "data": FILE},
        "statsmodels": {"code": None, "data": FILE, "statsmodels_version": str(statsmodels.__version__)},
    }
    needed = {*modules, "cloudpickle", "numpy", "pandas", "scipy", "statsmodels"}
    return Written(entries, (FILE,), (folder / FILE).stat().st_size, tuple(sorted(needed)))


def load(folder: Path, conf: Mapping[str, Any]) -> Any:
    """Load results; a pickle runs what it says. `MisuseError`: there is no such file, or it is refused.

    A formula is read again, and the functions in it are looked for where the caller is, as where it was written.
    """
    caller: Any = sys._getframe()
    while caller and caller.f_globals.get("__name__", "").partition(".")[0] == "fitscribe":
        caller = caller.f_back
    names = {**caller.f_globals, **caller.f_locals} if caller else {}
    read = partial(serialization.load, file_inside(folder, _file(conf)), "pickle")
    # statsmodels looks for them in the few frames around the unpickling: this makes one that has the caller's names
    found = outcome(eval, "_fitscribe_read()", {**names, "_fitscribe_read": read})
    if not isinstance(found, Exception):
        return found
    if type(found).__module__.partition(".")[0] not in ("formulaic", "patsy"):
        raise found
    words = str(found).partition("\n")[0]
    raise MisuseError(
        f"the formula of this model cannot be read again here: {words}; define what it uses where you load it"
    ) from found


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the file whose loading may run code, which is the one that there is."""
    return [_file(conf)]


def _file(conf: Mapping[str, Any]) -> str:
    return str(conf.get("data") or FILE)


class Predictor:
    """What `pyfunc` asks: the results' `predict`."""

    def __init__(self, model: Any) -> None:
        """Keep the results of a fit."""
        self.model = model

    def get_raw_model(self) -> Any:
        """Return the results."""
        return self.model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the predictions for these rows; of a time series, from `start` to `end` of the one row that is given.

        `params` are further arguments of the results' own `predict`. `MisuseError`: a time series is asked otherwise.
        """
        if not _of_time_series(self.model):
            return self.model.predict(data, **(params or {}))
        if getattr(data, "shape", ())[:1] != (1,) or not {"start", "end"} <= set(getattr(data, "columns", ())):
            raise MisuseError("a time series is predicted from `start` to `end`: give one row with these two columns")
        return self.model.predict(start=data["start"].iloc[0], end=data["end"].iloc[0], **(params or {}))


def _of_time_series(results: Any) -> bool:
    family = type(getattr(results, "model", None)).__mro__
    return any(
        (each.__module__, each.__name__) == ("statsmodels.tsa.base.tsa_model", "TimeSeriesModel") for each in family
    )


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the results predict for these rows; None where rows are not what they are asked by."""
    return None if _of_time_series(model) or not hasattr(model, "predict") else model.predict(rows)


def predictor(folder: Path, conf: Mapping[str, Any], *, model_config: Any = None) -> Predictor:
    """Load what answers `predict`."""
    return Predictor(load(folder, conf))


def load_model(path: str | Path, *, trust: Any = None) -> Any:
    """Load results from a model directory. `NotFoundError`: none there; `MisuseError`: another flavor."""
    return directory.load(path, "statsmodels", trust=trust)
