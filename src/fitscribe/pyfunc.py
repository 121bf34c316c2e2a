"""fitscribe.pyfunc: models of one's own as python models, and any model loaded to be asked by `predict`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe.errors import MisuseError
from fitscribe.models.python_model import PythonModel, PythonModelContext

if TYPE_CHECKING:
    from fitscribe.models.pyfunc import PyFuncModel
    from fitscribe.publishing import LoggedModel

__all__ = [
    "PythonModel",
    "PythonModelContext",
    "get_model_dependencies",
    "load_model",
    "log_model",
    "save_model",
]


def log_model(
    artifact_path: str | None = None,
    loader_module: str | None = None,
    data_path: str | Path | None = None,
    code_paths: Iterable[str | Path] | None = None,
    infer_code_paths: bool = False,
    conda_env: Any = None,
    python_model: Any = None,
    artifacts: Mapping[str, str | Path] | None = None,
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | str | Path | None = None,
    streamable: bool | None = None,
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    run_id: str | None = None,
) -> LoggedModel:
    """Record a python model as a model directory of the current run; return where.

    `python_model` is an object with `predict`, a class of such, a function, or the path of a script that calls
    `fitscribe.models.set_model`; its `artifacts` are paths or URIs by name. It is written before this returns, the rest
    happens in the background. `MisuseError`: it cannot be pickled, or an argument is wrong.
    """
    from fitscribe import publishing

    with _options(python_model, loader_module, data_path, artifacts, model_config, streamable) as options:
        return publishing.log(
            "pyfunc",
            python_model,
            name=name,
            artifact_path=artifact_path,
            options=options,
            signature=signature,
            input_example=input_example,
            pip_requirements=pip_requirements,
            extra_pip_requirements=extra_pip_requirements,
            conda_env=conda_env,
            metadata=metadata,
            code_paths=_code(code_paths, infer_code_paths, python_model),
            registered_model_name=registered_model_name,
            params=params,
            tags=tags,
            model_type=model_type,
            step=step,
            await_registration_for=await_registration_for,
            run_id=run_id,
        )


def save_model(
    path: str | Path,
    loader_module: str | None = None,
    data_path: str | Path | None = None,
    code_paths: Iterable[str | Path] | None = None,
    infer_code_paths: bool = False,
    conda_env: Any = None,
    mlflow_model: Any = None,
    python_model: Any = None,
    artifacts: Mapping[str, str | Path] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    metadata: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | str | Path | None = None,
    streamable: bool | None = None,
) -> None:
    """Write a model directory of a python model; the arguments are those of `log_model`."""
    from fitscribe import publishing

    with _options(python_model, loader_module, data_path, artifacts, model_config, streamable) as options:
        publishing.save(
            "pyfunc",
            python_model,
            path,
            mlflow_model=mlflow_model,
            options=options,
            signature=signature,
            input_example=input_example,
            pip_requirements=pip_requirements,
            extra_pip_requirements=extra_pip_requirements,
            conda_env=conda_env,
            metadata=metadata,
            code_paths=_code(code_paths, infer_code_paths, python_model),
        )


def load_model(
    model_uri: str | Path,
    suppress_warnings: bool = False,
    dst_path: str | Path | None = None,
    model_config: Mapping[str, Any] | str | Path | None = None,
    *,
    trust: bool | Iterable[str] | None = None,
) -> PyFuncModel:
    """Load a model of any flavor, ours or MLflow's, from any model URI or a folder, to be asked by `predict`.

    Data is checked against the model's signature. `NotFoundError`: there is no model; `MisuseError`: it answers
    nothing; `UntrustedModel`: it would run code that nobody vouches for, and the message says how to go on.
    """
    from fitscribe import locating
    from fitscribe.models import pyfunc

    found = locating.locate(model_uri, dst_path)
    model = None
    try:
        model = pyfunc.load(found.folder, trust=trust, suppress_warnings=suppress_warnings, model_config=model_config)
        locating.keep(found, model)
    finally:
        if model is None:
            found.forget()
    return model


def get_model_dependencies(model_uri: str | Path, format: str = "pip") -> str:
    """Return the path of a model's requirements.txt, or of its conda.yaml with format="conda", for `pip install -r`."""
    from fitscribe import locating
    from fitscribe.errors import NotFoundError

    names = {"pip": "requirements.txt", "conda": "conda.yaml"}
    if format not in names:
        raise MisuseError(f"format={format!r}: say 'pip' or 'conda'")
    found = locating.locate(model_uri)  # stays: the caller reads the file when it likes
    file = found.folder / names[format]
    if not file.is_file():
        raise NotFoundError(f"the model {str(model_uri)!r} has no file {names[format]}")
    return str(file)


@contextmanager
def _options(
    python_model: Any,
    loader_module: str | None,
    data_path: str | Path | None,
    artifacts: Mapping[str, str | Path] | None,
    model_config: Any,
    streamable: bool | None,
) -> Iterator[dict[str, Any]]:
    """Give the flavor's options, with artifacts on this machine; what was downloaded for it goes with the block."""
    if (python_model is None) == (loader_module is None):
        raise MisuseError("give either python_model, or loader_module with data_path")
    from fitscribe import locating

    with ExitStack() as downloads:
        local: dict[str, Path] = {}
        for name, uri in (artifacts or {}).items():
            found = locating.locate(uri)
            downloads.callback(found.forget)
            local[str(name)] = found.folder
        options = {
            "artifacts": local,
            "uris": {str(name): str(uri) for name, uri in (artifacts or {}).items()},
            "model_config": model_config,
            "streamable": streamable,
            "loader_module": loader_module,
            "data_path": data_path,
        }
        yield {name: value for name, value in options.items() if value}


def _code(given: Iterable[str | Path] | None, infer: bool, model: Any) -> Iterable[str | Path] | None:
    """Return the code to take along; with `infer_code_paths`, the files that the model's class comes from besides."""
    if not infer:
        return given
    from fitscribe.models import codepaths

    return [*(given or ()), *codepaths.inferred(model)]
