"""fitscribe.tensorflow: Keras models and modules of TensorFlow logged, saved and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe.publishing import LoggedModel

__all__ = ["load_model", "log_model", "save_model"]


def log_model(
    model: Any,
    artifact_path: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    conda_env: Any = None,
    code_paths: Iterable[str | Path] | None = None,
    signature: Any = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Iterable[str | Path] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    *,
    run_id: str | None = None,
) -> LoggedModel:
    """Record a Keras model or a `tf.Module` as a model directory of the current run; return where.

    A Keras model is written as `.keras`, with `keras_model_kwargs` for its `save`; `custom_objects`, and the
    registered classes that it uses, are pickled beside it. A module becomes a SavedModel, with `saved_model_kwargs`; an
    input example tells for what it is traced. `MisuseError`: it cannot be written.
    """
    from fitscribe import publishing

    return publishing.log(
        "tensorflow",
        model,
        name=name,
        artifact_path=artifact_path,
        options=_options(custom_objects, saved_model_kwargs, keras_model_kwargs, extra_files, input_example),
        signature=signature,
        input_example=_example(input_example),
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        code_paths=code_paths,
        registered_model_name=registered_model_name,
        params=params,
        run_id=run_id,
    )


def save_model(
    model: Any,
    path: str | Path,
    conda_env: Any = None,
    code_paths: Iterable[str | Path] | None = None,
    mlflow_model: Any = None,
    custom_objects: Mapping[str, Any] | None = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Iterable[str | Path] | None = None,
) -> None:
    """Write a model directory that `load_model` here and in MLflow loads; the arguments are those of `log_model`."""
    from fitscribe import publishing

    publishing.save(
        "tensorflow",
        model,
        path,
        mlflow_model=mlflow_model,
        options=_options(custom_objects, saved_model_kwargs, keras_model_kwargs, extra_files, input_example),
        signature=signature,
        input_example=_example(input_example),
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        code_paths=code_paths,
    )


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    saved_model_kwargs: Mapping[str, Any] | None = None,
    keras_model_kwargs: Mapping[str, Any] | None = None,
    *,
    trust: bool | str | Iterable[str] | None = None,
) -> Any:
    """Load a Keras model, or what a SavedModel holds, ours or MLflow's, from any model URI or a folder.

    A SavedModel, pickled custom objects and a Keras file with functions in it run what they say: if they are not signed
    by this user or team they need `trust=True`. `NotFoundError`: there is no model.
    """
    from fitscribe import publishing

    options = {"saved_model_kwargs": saved_model_kwargs, "keras_model_kwargs": keras_model_kwargs}
    return publishing.load("tensorflow", model_uri, dst_path, trust=trust, options=options)


def _options(custom: Any, saved_kwargs: Any, keras_kwargs: Any, extra: Any, example: Any) -> dict[str, Any]:
    return {
        "custom_objects": custom,
        "saved_model_kwargs": saved_kwargs,
        "keras_model_kwargs": keras_kwargs,
        "extra_files": extra,
        "example": example,
    }


def _example(given: Any) -> Any:
    from fitscribe.models.kinds import is_a

    return given.numpy() if is_a("tensorflow", ("Tensor",), given) else given
