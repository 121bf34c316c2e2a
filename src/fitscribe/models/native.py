"""What the boosters' flavors share: a model in its library's own format, and data that only the library can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.models.digest import digest_of
from fitscribe.models.format import file_inside
from fitscribe.models.written import Written, too_large
from fitscribe.records import Bars

__all__ = ["WIDE", "Predictor", "bars", "blank", "facts", "file_of", "known_class", "named_class", "saved", "written"]

WIDE = 2000  # features, beyond which a schema tells nobody anything
LABELS = 100_000  # of which the digest of data is made
SHOWN = 40  # bars of a chart
_TYPES = {"bool": "boolean", "float64": "double", "int64": "long"}


class Predictor:
    """What `pyfunc` asks: a model that answers by its own `predict`."""

    def __init__(self, model: Any) -> None:
        """Keep a model."""
        self.model = model

    def get_raw_model(self) -> Any:
        """Return the model."""
        return self.model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return the model's answer; `params` are further arguments of its `predict`."""
        return self.model.predict(data, **(params or {}))


def known_class(model: Any, package: str, kinds: tuple[type, ...]) -> type:
    """Return the model's class, or of a user's own class the nearest one that the package has: nobody else has theirs.

    `MisuseError`: it is an instance of none of the `kinds`.
    """
    if not isinstance(model, kinds):
        names = ", ".join(kind.__name__ for kind in kinds)
        raise MisuseError(f"a {type(model).__name__} is no model of {package}; give a trained one of {names}")
    return next(kind for kind in type(model).__mro__ if kind.__module__.partition(".")[0] == package)


def named_class(name: str, package: ModuleType, kinds: tuple[type, ...]) -> Any:
    """Return the public class of a package that a model names, such as `xgboost.sklearn.XGBClassifier`.

    `MisuseError`: it names another; a model's files do not choose what is called.
    """
    found = getattr(package, name.rpartition(".")[2], None)
    if name.partition(".")[0] != package.__name__ or not (isinstance(found, type) and issubclass(found, kinds)):
        raise MisuseError(f"the model is a {name!r}, which is no class of models of {package.__name__}")
    return found


def saved(save: Callable[[str], object], file: Path, limit: float | None = None) -> None:
    """Let a library write a model to a file; after an error there is none.

    `MisuseError`: the file would have more than `limit` bytes. What the library raises passes through.
    """
    done = False
    try:
        save(str(file))
        if limit is not None and file.stat().st_size > limit:
            raise too_large(limit)
        done = True
    finally:
        if not done:
            file.unlink(missing_ok=True)


def written(file: Path, flavor: str, own: Mapping[str, Any], needed: set[str]) -> Written:
    """Return what is told of a model that is one file, which MLflow's module of the same name loads as well."""
    entries = {flavor: dict(own), "python_function": {"loader_module": f"mlflow.{flavor}", "data": file.name}}
    return Written(entries, (file.name,), file.stat().st_size, tuple(sorted(needed)))


def file_of(folder: Path, conf: Mapping[str, Any]) -> Path:
    """Return the file of a model that is one file. `MisuseError`: the folder has no such file."""
    return file_inside(folder, conf.get("data"))


def facts(
    shape: tuple[int, int],
    names: Sequence[str] | None,
    labels: Any,
    dtypes: Sequence[str] | None = None,
    stored: int | None = None,
) -> dict[str, str]:
    """Return digest, schema and profile of data that only its library can read: by its shape, features and labels.

    `dtypes` are numpy's names of what the features were made of, `stored` is the count of values that are not missing.
    """
    rows, width = shape
    profile = {"num_rows": rows, "num_elements": rows * width, **({} if stored is None else {"num_stored": stored})}
    labeled = "" if labels is None else digest_of(labels)
    digest = hashlib.blake2b(json.dumps([profile, names, dtypes, labeled], default=str).encode(), digest_size=4)
    columns = [
        {"name": str(name), "type": _TYPES.get(dtype, "double"), "required": True}
        for name, dtype in zip(names or (), dtypes or ["float64"] * len(names or ()), strict=True)
    ]
    return {
        "digest": digest.hexdigest(),
        "schema": json.dumps({"mlflow_colspec": columns}) if 0 < len(columns) <= WIDE else "",
        "profile": json.dumps(profile),
    }


def bars(weights: Mapping[str, Any], kind: str) -> Bars:
    """Draw the importance of features, the greatest first; of one for each class, their sum counts."""
    sums = {name: sum(map(abs, value)) if isinstance(value, list) else value for name, value in weights.items()}
    top = sorted(sums, key=lambda name: abs(sums[name]), reverse=True)[:SHOWN]
    return Bars(f"Feature Importance ({kind})", "Importance", top, [float(sums[name]) for name in top])


def blank(rows: Any, width: int, dtype: str) -> Any:
    """Return what predictions for these rows look like, `width` numbers for each: zeros."""
    import numpy

    count = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    return numpy.zeros((count, width) if width > 1 else count, dtype)
