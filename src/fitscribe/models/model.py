"""The content of an MLmodel file as an object, under the names of `mlflow.models.Model`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.models.columns import Type
from fitscribe.models.format import MLMODEL, mlmodel_text, new_mlmodel, read_mlmodel, write_files
from fitscribe.models.inside import inside
from fitscribe.models.signature import ModelSignature, as_signature

__all__ = ["Model"]


class Model:
    """One model's description: flavors, signature, where it came from. Nothing of the model itself is loaded."""

    def __init__(
        self,
        artifact_path: str | None = None,
        run_id: str | None = None,
        flavors: Mapping[str, Any] | None = None,
        signature: Any = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe a new model."""
        found = as_signature(signature)
        self.content = new_mlmodel(dict(flavors or {}), found.to_dict() if found else None, 0)
        told = {"artifact_path": artifact_path, "run_id": run_id, "metadata": dict(metadata) if metadata else None}
        self.content.update({name: value for name, value in told.items() if value})

    @classmethod
    def from_dict(cls, model_dict: Mapping[str, Any]) -> Model:
        """Take the content of an MLmodel file."""
        made = cls()
        made.content = dict(model_dict)
        return made

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read a model's folder, or its MLmodel file. `NotFoundError`: there is none; `MisuseError`: it is none."""
        place = Path(path)
        return cls.from_dict(read_mlmodel(place.parent if place.name == MLMODEL and place.is_file() else place))

    def save(self, path: str | Path) -> None:
        """Write it as an MLmodel file, to that path."""
        file = Path(path)
        write_files(file.parent, {file.name: self.to_yaml()})

    def to_dict(self) -> dict[str, Any]:
        """Return the content of the file."""
        return dict(self.content)

    def to_yaml(self) -> str:
        """Return the file as text. `MisuseError`: the metadata has no JSON form."""
        return mlmodel_text(self.content)

    def to_json(self) -> str:
        """Return the content as JSON text."""
        return json.dumps(self.content)

    def add_flavor(self, name: str, **params: Any) -> Model:
        """Describe one more way to load the model; return self."""
        self.flavors[name] = params
        return self

    def __getattr__(self, name: str) -> Any:
        if name in _FIELDS:
            return self.content.get(name)
        raise AttributeError(f"a Model has no {name!r}; its content has {', '.join(self.content)}")

    @property
    def flavors(self) -> dict[str, Any]:
        """The flavors by name, each with what its loader needs."""
        found: dict[str, Any] = self.content.setdefault("flavors", {})
        return found

    @property
    def signature(self) -> ModelSignature | None:
        """What goes in and what comes out, or None."""
        parts = self.content.get("signature")
        return ModelSignature.from_dict(parts) if parts else None

    @signature.setter
    def signature(self, value: Any) -> None:
        found = as_signature(value)
        self.content.pop("signature", None)
        if found is not None:
            self.content["signature"] = found.to_dict()

    def get_input_schema(self) -> list[Type] | None:
        """Return the columns or tensors that go in."""
        return self.signature.inputs if self.signature else None

    def get_output_schema(self) -> list[Type] | None:
        """Return the columns or tensors that come out."""
        return self.signature.outputs if self.signature else None

    def get_params_schema(self) -> list[Type] | None:
        """Return the params that predicting takes."""
        return self.signature.params if self.signature else None

    def load_input_example(self, path: str | Path) -> Any:
        """Return the input example in the folder `path` as the kind of object that it was; None if there is none."""
        info = self.content.get("saved_input_example_info") or {}
        if not info.get("artifact_path"):
            return None
        return _example(_json(Path(path), info["artifact_path"]), info, self.get_input_schema())

    def load_input_example_params(self, path: str | Path) -> dict[str, Any] | None:
        """Return the inference params of the input example, or None."""
        info = self.content.get("saved_input_example_info") or {}
        found = _json(Path(path), info["artifact_path"]) if info.get("params") else {}
        params: dict[str, Any] | None = found.get("params")
        return params

    def get_serving_input(self, path: str | Path) -> str | None:
        """Return the input example as a scoring server takes it, as JSON text; None if there is none."""
        name = (self.content.get("saved_input_example_info") or {}).get("serving_input_path")
        return inside(Path(path), name).read_text(encoding="utf-8") if name else None


_FIELDS = {
    "artifact_path",
    "metadata",
    "mlflow_version",
    "model_id",
    "model_size_bytes",
    "model_uuid",
    "run_id",
    "saved_input_example_info",
    "utc_time_created",
}


def _json(folder: Path, name: object) -> Any:
    file = inside(folder, name)
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MisuseError(f"the input example {str(file)!r} cannot be read: {error}") from None


def _example(found: Any, info: Mapping[str, Any], inputs: list[Type] | None) -> Any:
    if info.get("params"):
        found = found["inputs"]
    kind = info.get("type")
    if kind == "dataframe":
        import pandas

        split = info.get("pandas_orient") == "split" or "columns" in found
        return pandas.DataFrame(found["data"], columns=found.get("columns") if split else None)
    if kind == "ndarray":
        return _arrays(found, inputs or [])
    if str(kind).startswith("sparse_matrix_"):
        from scipy import sparse

        make = getattr(sparse, f"{str(kind)[-3:]}_matrix")
        return make((found["data"], found["indices"], found["indptr"]), shape=tuple(found["shape"]))
    return found


def _arrays(found: Any, inputs: list[Type]) -> Any:
    import numpy

    types = {one.get("name"): one["tensor-spec"]["dtype"] for one in inputs if "tensor-spec" in one}
    if isinstance(found, dict):
        return {name: numpy.asarray(value, dtype=types.get(name)) for name, value in found.items()}
    return numpy.asarray(found, dtype=types.get(None))
