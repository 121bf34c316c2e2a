"""The scikit-learn flavor: a fitted estimator to a model directory that MLflow reads as well, and back."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from fitscribe.errors import MisuseError, NotBuiltYet
from fitscribe.guard import guarded, quietly
from fitscribe.models import examples, serialization
from fitscribe.models.examples import Example
from fitscribe.models.format import (
    ENVIRONMENT,
    MLMODEL,
    environment_files,
    file_inside,
    fresh_folder,
    mlmodel_text,
    new_mlmodel,
    read_mlmodel,
    write_files,
)
from fitscribe.models.requirements import given_requirements, requirements_for, with_mlflow
from fitscribe.models.serialization import Format
from fitscribe.models.signature import ModelSignature, infer_signature

__all__ = [
    "PickledModel",
    "default_requirements",
    "describe",
    "file_name",
    "load_model",
    "model_files",
    "pickle_model",
    "save_model",
]


class PickledModel(msgspec.Struct, frozen=True):
    """All that must be learned of a model while it is at hand; the rest may be written later, elsewhere."""

    file: str  # name in the model directory
    serialization_format: Format
    size: int  # bytes
    modules: tuple[str, ...]  # that loading it imports
    predict_fn: str  # empty: the model has no such method
    sklearn_version: str
    trusted: tuple[str, ...] = ()


def file_name(serialization_format: Format) -> str:
    """Return the name that a model's own file has in a model directory."""
    return "model.skops" if serialization_format == "skops" else "model.pkl"


def pickle_model(
    sk_model: Any,
    file: str | Path,
    serialization_format: Format = "cloudpickle",
    *,
    pyfunc_predict_fn: str = "predict",
    skops_trusted_types: Iterable[str] = (),
    limit: float | None = None,
) -> PickledModel:
    """Write a model to a file, now; this is all that has to happen before the user's code goes on.

    After an error there is no file. `MisuseError`: the model cannot be written in this format, or has more than `limit`
    bytes.
    """
    import sklearn

    file, trusted = Path(file), tuple(skops_trusted_types)
    modules = serialization.dump(sk_model, file, serialization_format, trusted, limit)
    if serialization_format == "skops" and any(name.endswith(".*") for name in trusted):
        trusted = tuple(serialization.unknown_types(file))
    return PickledModel(
        file=file_name(serialization_format),
        serialization_format=serialization_format,
        size=file.stat().st_size,
        modules=tuple(sorted(modules)),
        predict_fn=pyfunc_predict_fn if quietly(getattr, sk_model, pyfunc_predict_fn, default=None) else "",
        sklearn_version=str(sklearn.__version__),
        trusted=trusted,
    )


def describe(
    model: PickledModel,
    *,
    signature: ModelSignature | None = None,
    example: Example | None = None,
    metadata: Mapping[str, Any] | None = None,
    run_id: str = "",
    artifact_path: str = "",
) -> dict[str, Any]:
    """Return the content of the MLmodel file; the model itself is not needed any more."""
    flavors: dict[str, Any] = {
        "sklearn": {
            "code": None,
            "pickled_model": model.file,
            "serialization_format": model.serialization_format,
            "sklearn_version": model.sklearn_version,
            "skops_trusted_types": list(model.trusted) or None,  # read by MLflow's loader, never by ours
        }
    }
    if model.predict_fn:
        flavors["python_function"] = {
            "env": dict(ENVIRONMENT),
            "loader_module": "mlflow.sklearn",
            "model_path": model.file,
            "predict_fn": model.predict_fn,
            "python_version": platform.python_version(),
        }
    extra = len(example.example.encode()) + len(example.serving.encode()) if example else 0
    content = new_mlmodel(flavors, signature.to_dict() if signature else None, model.size + extra)
    optional = {
        "artifact_path": artifact_path,
        "metadata": dict(metadata) if metadata else None,
        "run_id": run_id,
        "saved_input_example_info": dict(example.info) if example else None,
    }
    return {**content, **{name: value for name, value in optional.items() if value}}


def model_files(
    content: dict[str, Any],
    model: PickledModel,
    *,
    requirements: list[str] | None = None,
    example: Example | None = None,
) -> dict[str, str]:
    """Return every file of the model directory but the model's own, as text by name.

    `MisuseError`: the content (the user's metadata) has no JSON form.
    """
    if requirements is None:
        requirements = default_requirements(model)
    return {
        MLMODEL: mlmodel_text(content),
        **environment_files(with_mlflow(requirements)),
        **(example.files() if example else {}),
    }


def default_requirements(model: PickledModel, modules: Iterable[str] = ()) -> list[str]:
    """Return what loading the model needs: what is in it, scikit-learn with the two it cannot be without, `modules`."""
    tool = {"cloudpickle": ["cloudpickle"], "skops": ["skops"], "pickle": []}[model.serialization_format]
    return requirements_for({*model.modules, *modules, *tool, "sklearn", "numpy", "scipy"})


def save_model(
    sk_model: Any,
    path: str | Path,
    *,
    serialization_format: Format = "cloudpickle",
    signature: ModelSignature | Literal[False] | None = None,
    input_example: Any = None,
    pip_requirements: list[str] | str | Path | None = None,
    extra_pip_requirements: list[str] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    code_paths: list[str] | None = None,
    pyfunc_predict_fn: str = "predict",
    skops_trusted_types: Iterable[str] = (),
) -> dict[str, Any]:
    """Write a model directory and return the content of its MLmodel file.

    With an input example and no signature, one is made of both (`signature=False`: none). `MisuseError`: something
    lies at `path`, or the model cannot be written; `NotBuiltYet`: `code_paths`.
    """
    if code_paths:
        raise NotBuiltYet("code_paths is not supported yet; install the code as a package where the model is loaded")
    if pip_requirements is not None and extra_pip_requirements is not None:
        raise MisuseError("give pip_requirements or extra_pip_requirements, not both: the first replaces what we find")
    serialization.check_format(serialization_format)
    mlmodel_text({"metadata": metadata and dict(metadata)})  # whatever can be wrong is so before there is a file
    given, extra = (
        None if each is None else given_requirements(each) for each in (pip_requirements, extra_pip_requirements)
    )
    example = None if input_example is None else examples.input_example(input_example)
    folder = fresh_folder(path)
    model = pickle_model(
        sk_model,
        folder / file_name(serialization_format),
        serialization_format,
        pyfunc_predict_fn=pyfunc_predict_fn,
        skops_trusted_types=skops_trusted_types,
    )
    if signature is None and example is not None:
        signature = _signature(sk_model, input_example, model.predict_fn)
    content = describe(model, signature=signature or None, example=example, metadata=metadata)
    if given is None:
        # who has to give the model a DataFrame needs the library that makes them
        given = default_requirements(model, [type(input_example).__module__]) + (extra or [])
    write_files(folder, model_files(content, model, requirements=given, example=example))
    return content


def _signature(sk_model: Any, data: Any, predict_fn: str) -> ModelSignature:
    output = None
    if predict_fn:
        with guarded("predicting the input example for the signature"):
            output = getattr(sk_model, predict_fn)(examples.first_rows(data))
    return infer_signature(data, output)


def load_model(path: str | Path, *, trusted: Iterable[str] = ()) -> Any:
    """Load a scikit-learn model from a model directory, ours or MLflow's.

    A pickle runs what it says: load what you trust. A skops file does not; types that skops does not know load only
    when `trusted` names them. `NotFoundError`: no model there; `MisuseError`: another flavor, or refused.
    """
    if "://" in str(path) or str(path).startswith(("runs:/", "models:/")):
        raise NotBuiltYet(f"load_model({str(path)!r}): only a local folder can be loaded yet; download the model first")
    folder = Path(path)
    flavors = read_mlmodel(folder)["flavors"]
    if "sklearn" not in flavors:
        raise MisuseError(f"the model in {str(folder)!r} is no scikit-learn model; its flavors: {', '.join(flavors)}")
    flavor = flavors["sklearn"]
    serialization_format = str(flavor.get("serialization_format", "pickle"))
    return serialization.load(file_inside(folder, flavor.get("pickled_model")), serialization_format, tuple(trusted))
