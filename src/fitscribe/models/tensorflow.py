"""The TensorFlow flavor: a Keras model or a `tf.Module` to a model directory that MLflow reads as well, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.guard import guarded
from fitscribe.models import extras, kerasfiles
from fitscribe.models.inside import inside
from fitscribe.models.kinds import is_a, is_array, is_pandas_frame
from fitscribe.models.written import Written

__all__ = ["Predictor", "answers", "load", "predictor", "runs_code", "write"]

DATA, MODEL, SAVED_MODEL = "data", "model", "tf2model"
CUSTOM, REGISTERED = "custom_objects.cloudpickle", "global_custom_objects.cloudpickle"
SUFFIXES = (".keras", ".h5")


def write(
    model: Any,
    folder: Path,
    *,
    custom_objects: Mapping[str, Any] | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    extra_files: Iterable[str | Path] | None = None,
    example: Any = None,
    limit: float | None = None,
) -> Written:
    """Write a model into a folder, now; `example` tells for what input a module's function is traced.

    `MisuseError`: neither a Keras model nor a `tf.Module`, or it has more than `limit` bytes.
    """
    import tensorflow as tf

    kerasfiles.check_size(model, limit if hasattr(model, "variables") else None)
    if _is_keras(model):
        own, modules = _write_keras(model, folder / DATA, custom_objects or {}, dict(keras_model_kwargs or {}))
        answering = {"data": DATA}
    elif isinstance(model, tf.Module):
        own, modules, answering = _module_entry(), {"tensorflow"}, {}
        _trace(model, example)
        tf.saved_model.save(model, str(folder / SAVED_MODEL), **(saved_model_kwargs or {}))
    else:
        raise MisuseError(f"a {type(model).__name__} is neither a Keras model nor a tf.Module")
    extra, _ = extras.copied(extra_files, folder)
    sizes = extras.sizes(folder, folder)
    entries = {
        "python_function": {**answering, "loader_module": "mlflow.tensorflow"},
        "tensorflow": {"code": None, **own, **extra},
    }
    return Written(entries, tuple(sizes), sum(sizes.values()), tuple(sorted({*modules, "numpy"})))


def _is_keras(model: Any) -> bool:
    return is_a("keras", ("Model",), model)


def _module_entry() -> dict[str, Any]:
    return {"model_type": "tf2-module", "saved_model_dir": SAVED_MODEL}


def _write_keras(
    model: Any, place: Path, custom: Mapping[str, Any], options: dict[str, Any]
) -> tuple[dict[str, Any], set[str]]:
    import tensorflow as tf

    form = str(options.pop("save_format", "tf"))
    place.mkdir(parents=True)
    for name, text in {"keras_module.txt": "tensorflow.keras", "save_format.txt": form}.items():
        (place / name).write_text(text, encoding="utf-8")
    file = place / f"{MODEL}{'.h5' if form == 'h5' else '.keras'}"
    kerasfiles.save(model, file, **options)
    modules = {"tensorflow", "keras"}
    if form != "h5":
        modules |= kerasfiles.modules_of(file)
    modules |= _write_custom(place, {CUSTOM: custom, REGISTERED: _registered(file)})
    own = {"data": DATA, "keras_version": str(tf.__version__), "model_type": "keras", "save_format": form}
    return own, modules


def _registered(file: Path) -> dict[str, Any]:
    """Return the classes and functions of the user's that the model uses, by the names they are registered under."""
    import keras

    return kerasfiles.registered(file) if file.suffix == ".keras" else dict(keras.saving.get_custom_objects())


def _write_custom(place: Path, by_file: Mapping[str, Mapping[str, Any]]) -> set[str]:
    from fitscribe.models import serialization

    modules: set[str] = set()
    for name, custom in by_file.items():
        if custom:
            modules |= {"cloudpickle", *serialization.dump(dict(custom), place / name, "cloudpickle")}
    return modules


def _trace(model: Any, example: Any) -> None:
    """Have the module's function ready for any number of the example's rows, or nobody could call what is saved."""
    import tensorflow as tf

    trace = getattr(type(model).__call__, "get_concrete_function", None) if callable(model) else None
    if trace is None or example is None:
        return
    with guarded("tracing the module with the input example"):
        rows = tf.convert_to_tensor(example)
        model.__call__.get_concrete_function(tf.TensorSpec([None, *rows.shape[1:]], rows.dtype))


def load(
    folder: Path,
    conf: Mapping[str, Any],
    *,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Load a model: a Keras model, with the custom objects that were saved with it, or what a SavedModel holds.

    `MisuseError`: there is no model, or it is of TensorFlow 1.
    """
    if _kind(conf) == "tf2-module":
        import tensorflow as tf

        return tf.saved_model.load(str(_saved(folder, conf)), **(saved_model_kwargs or {}))
    options = dict(keras_model_kwargs or {})
    custom = {**_custom(folder, conf), **(options.pop("custom_objects", None) or {})}
    return kerasfiles.loaded(_file(folder, conf), custom, **options)


def _kind(conf: Mapping[str, Any]) -> str:
    kind = str(conf.get("model_type") or "keras")
    if kind not in ("keras", "tf2-module"):
        raise MisuseError(f"a TensorFlow model of type {kind!r} is not read here; save it once more with TensorFlow 2")
    return kind


def _saved(folder: Path, conf: Mapping[str, Any]) -> Path:
    return inside(folder, conf.get("saved_model_dir") or SAVED_MODEL)


def _file(folder: Path, conf: Mapping[str, Any]) -> Path:
    place = inside(folder, conf.get("data") or DATA)
    for suffix in SUFFIXES:
        file = place / f"{MODEL}{suffix}"
        if file.is_file():
            return inside(folder, file.relative_to(folder).as_posix())
    raise MisuseError(f"no Keras model in {str(place)!r}: there is neither {MODEL}.keras nor {MODEL}.h5")


def _pickles(folder: Path, conf: Mapping[str, Any]) -> list[Path]:
    place = inside(folder, conf.get("data") or DATA)
    return [inside(folder, (place / name).relative_to(folder).as_posix()) for name in (REGISTERED, CUSTOM)]


def _custom(folder: Path, conf: Mapping[str, Any]) -> dict[str, Any]:
    from fitscribe.models import serialization

    found: dict[str, Any] = {}
    for file in _pickles(folder, conf):
        if file.is_file():
            found.update(serialization.load(file, "cloudpickle"))
    return found


def runs_code(folder: Path, conf: Mapping[str, Any]) -> list[str]:
    """Return the files whose loading may run code: SavedModels, pickled custom objects, Keras files with functions."""
    if _kind(conf) == "tf2-module":
        return [f"{_saved(folder, conf).relative_to(folder).as_posix()}/saved_model.pb"]
    file = _file(folder, conf)
    found = [one for one in _pickles(folder, conf) if one.is_file()] + ([] if kerasfiles.harmless(file) else [file])
    return [one.relative_to(folder).as_posix() for one in found]


def predictor(folder: Path, conf: Mapping[str, Any], *, model_config: Any = None, **options: Any) -> Predictor:
    """Load what answers `predict`; `conf` is what stands under the flavor's own name as well."""
    if conf.get("save_format", "h5") == "h5":  # what it was trained with is not read back from this form by Keras 3
        options["keras_model_kwargs"] = {"compile": False, **(options.get("keras_model_kwargs") or {})}
    return Predictor(load(folder, conf, **options))


def answers(model: Any, rows: Any, **options: Any) -> Any:
    """Return what the model makes of these rows."""
    return Predictor(model).predict(rows)


class Predictor:
    """What `pyfunc` asks: a DataFrame is answered by a DataFrame, all else by arrays."""

    def __init__(self, model: Any) -> None:
        """Keep a Keras model or a module that can be called."""
        self.model = model

    def get_raw_model(self) -> Any:
        """Return the model."""
        return self.model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return predictions. `MisuseError`: the data is no DataFrame, array, list, tuple or dict."""
        framed = is_pandas_frame(data)
        if not (framed or is_array(data) or isinstance(data, (list, tuple, dict))):
            words = "a TensorFlow model takes a DataFrame, an array, a list or a dict"
            raise MisuseError(f"{words}, not a {type(data).__name__}")
        rows = data.to_numpy() if framed else data
        made = kerasfiles.predicted(self.model, rows) if hasattr(self.model, "predict") else self._called(rows)
        return type(data)(made, index=data.index) if framed else made

    def _called(self, rows: Any) -> Any:
        import tensorflow as tf

        given = {name: tf.convert_to_tensor(one) for name, one in rows.items()} if isinstance(rows, dict) else None
        made = self.model(tf.convert_to_tensor(rows) if given is None else given)
        return tf.nest.map_structure(lambda one: one.numpy() if isinstance(one, tf.Tensor) else one, made)
