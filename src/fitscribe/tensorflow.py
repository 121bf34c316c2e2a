"""fitscribe.tensorflow: autologging of Keras, `tf_keras` and `tf.summary`, and models logged, saved and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from fitscribe import autologging

if TYPE_CHECKING:
    from typing import Unpack

    from fitscribe.publishing import LoggedModel

__all__ = ["autolog", "load_model", "log_model", "save_model"]


class Options(TypedDict, total=False):
    """What `autolog` takes; MLflow's words, and their meaning there."""

    log_every_epoch: bool
    log_every_n_steps: int | None
    log_models: bool
    log_model_signatures: bool
    log_input_examples: bool
    log_datasets: bool
    log_architecture: bool
    log_summaries: bool
    saved_model_kwargs: Mapping[str, Any] | None
    keras_model_kwargs: Mapping[str, Any] | None
    checkpoint: bool
    checkpoint_monitor: str
    checkpoint_mode: Literal["min", "max", "auto"]
    checkpoint_save_best_only: bool
    checkpoint_save_weights_only: bool
    checkpoint_save_freq: Literal["epoch"] | int
    registered_model_name: str | None
    max_model_size: float | None
    disable: bool
    exclusive: bool
    disable_for_unsupported_versions: bool
    silent: bool
    extra_tags: Mapping[str, str] | None


def autolog(**options: Unpack[Options]) -> None:
    """Record every `fit` in this process from here on, by the names of MLflow's TensorFlow flavor, and `tf.summary`.

    Defaults: metrics by epoch; by step only with `log_every_n_steps`; models, signatures, datasets and what is written
    with `tf.summary` are logged; no checkpoints (with `checkpoint=True` by epoch, or every `checkpoint_save_freq`
    batches). Under `fitscribe.keras.autolog()`, and so
    under plain `autolog()`, fits of Keras 3 are recorded there instead. A loop over `tf.GradientTape` leaves nothing to
    see but its summaries: log its metrics with `tf.summary` (which needs TensorBoard for all but `tf.summary.write`)
    or with `fitscribe.log_metric`. An option keeps what it was told before when it is not given.
    `Unavailable`: no TensorFlow in a version this works with; `MisuseError`: a value that an option cannot take.
    """
    autologging.autolog_one("tensorflow", options)


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
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
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
        tags=tags,
        model_type=model_type,
        step=step,
        await_registration_for=await_registration_for,
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
