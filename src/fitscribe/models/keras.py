"""The Keras flavor: a model of Keras 3, with any backend, to a model directory that MLflow reads as well, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError, Unavailable
from fitscribe.models import extras, kerasfiles, kerasspecs
from fitscribe.models.inside import inside
from fitscribe.models.kinds import is_array, is_pandas_frame
from fitscribe.models.written import Written

__all__ = ["Predictor", "answers", "check", "load", "predictor", "runs_code", "write"]

DATA, MODEL, MODULE_INFO = "data", "model", "keras_module.txt"
SAVED = "saved_model.pb"


def check(save_exported_model: bool = False, inputs: Any = None, **options: Any) -> None:
    """Raise `MisuseError` for options that `write` will refuse whatever the model is."""
    if save_exported_model and not all("tensor-spec" in one for one in inputs or [{}]):
        raise MisuseError("save_exported_model=True needs a signature, or an input example, of tensors")


def write(
    model: Any,
    folder: Path,
    *,
    save_exported_model: bool = False,
    save_model_kwargs: Mapping[str, Any] | None = None,
    inputs: Sequence[Mapping[str, Any]] | None = None,
    limit: float | None = None,
) -> Written:
    """Write a model into a folder, now: as `.keras`, or as a SavedModel that takes `inputs`, types of a signature.

    `MisuseError`: no Keras model, it cannot be written, or it has more than `limit` bytes.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise MisuseError(f"a {type(model).__name__} is no keras.Model")
    kerasfiles.check_size(model, limit)
    place = folder / DATA
    place.mkdir(parents=True)
    (place / MODULE_INFO).write_text("keras", encoding="utf-8")
    modules = {"keras", str(keras.backend.backend())}
    if save_exported_model:
        _export(model, place / MODEL, inputs or kerasspecs.inputs_of(model) or ())
    else:
        file = place / f"{MODEL}.keras"
        kerasfiles.save(model, file, **(save_model_kwargs or {}))
        modules |= kerasfiles.modules_of(file)
    own = {
        "data": DATA,
        "keras_backend": str(keras.backend.backend()),
        "keras_version": str(keras.__version__),
        "save_exported_model": save_exported_model,
    }
    sizes = extras.sizes(folder, folder)
    entries = {"keras": own, "python_function": {"loader_module": "mlflow.keras"}}
    return Written(entries, tuple(sizes), sum(sizes.values()), tuple(sorted(modules)))


def _export(model: Any, place: Path, inputs: Sequence[Mapping[str, Any]]) -> None:
    import keras

    tensorflow = _tensorflow()
    if not inputs or not all("tensor-spec" in one for one in inputs):
        raise MisuseError("save_exported_model=True needs to know the tensors that the model takes")
    taken = [
        tensorflow.TensorSpec([None if each == -1 else each for each in spec["shape"]], dtype=spec["dtype"])
        for spec in (one["tensor-spec"] for one in inputs)
    ]
    if "name" in inputs[0]:
        taken = [dict(zip((one["name"] for one in inputs), taken, strict=True))]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(name="serve", fn=model.call, input_signature=taken)
    archive.write_out(str(place), verbose=False)


def _tensorflow() -> Any:
    try:
        import tensorflow
    except ImportError:
        raise Unavailable("an exported Keras model needs TensorFlow; install fitscribe[tensorflow]") from None
    return tensorflow


def load(
    folder: Path,
    conf: Mapping[str, Any],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    load_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Load a model; one that was exported comes back as what TensorFlow made of it.

    `.keras` files load in safe mode unless code is in them. `MisuseError`: there is no model, or it has classes that
    neither are registered nor in `custom_objects`.
    """
    file = _file(folder, conf)
    if file.name == SAVED:
        return _tensorflow().saved_model.load(str(file.parent))
    return kerasfiles.loaded(file, custom_objects, **(load_model_kwargs or {}))


def _file(folder: Path, conf: Mapping[str, Any]) -> Path:
    place = inside(folder, conf.get("data") or DATA)
    for file in (place / f"{MODEL}.keras", place / MODEL / SAVED, place.with_name(f"{place.name}.keras")):
        if file.is_file():
            return inside(folder, file.relative_to(folder).as_posix())
    raise MisuseError(f"no Keras model in {str(place)!r}: there is neither {MODEL}.keras nor {MODEL}/{SAVED}")


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: archives with functions in them, and SavedModels."""
    file = _file(folder, conf)
    return [file.relative_to(folder).as_posix()] if not kerasfiles.harmless(file) else []


def predictor(folder: Path, conf: Mapping[str, Any], *, model_config: Any = None, **options: Any) -> Predictor:
    """Load what answers `predict`; `conf` is what stands under the flavor's own name as well."""
    return Predictor(load(folder, conf, **options))


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return the model's predictions for these rows."""
    return Predictor(model).predict(rows)


class Predictor:
    """What `pyfunc` asks: a DataFrame is answered by a DataFrame, all else by arrays."""

    def __init__(self, model: Any) -> None:
        """Keep a Keras model, or an exported one."""
        self.model = model

    def get_raw_model(self) -> Any:
        """Return the model."""
        return self.model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return predictions. `MisuseError`: the data is no DataFrame, array, list, tuple or dict."""
        framed = is_pandas_frame(data)
        if not (framed or is_array(data) or isinstance(data, (list, tuple, dict))):
            raise MisuseError(
                f"a Keras model takes a DataFrame, an array, a list or a dict, not a {type(data).__name__}"
            )
        rows = data.to_numpy() if framed else data
        exported = not hasattr(self.model, "predict")
        made = kerasfiles.as_arrays(self.model.serve(rows)) if exported else kerasfiles.predicted(self.model, rows)
        return type(data)(made, index=data.index) if framed else made
