"""fitscribe.keras: autologging of Keras 3 on any backend, and its models logged, saved and loaded."""

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
    checkpoint: bool
    checkpoint_monitor: str
    checkpoint_mode: Literal["min", "max", "auto"]
    checkpoint_save_best_only: bool
    checkpoint_save_weights_only: bool
    checkpoint_save_freq: Literal["epoch"] | int
    registered_model_name: str | None
    save_exported_model: bool
    save_model_kwargs: Mapping[str, Any] | None
    max_model_size: float | None
    disable: bool
    exclusive: bool
    disable_for_unsupported_versions: bool
    silent: bool
    extra_tags: Mapping[str, str] | None


def autolog(**options: Unpack[Options]) -> None:
    """Record every `fit` of a Keras model in this process from here on, whatever the backend.

    Defaults: metrics by epoch; by step only with `log_every_n_steps` (under keys that end in `_step` where both are
    asked for); models, signatures and datasets are logged; no checkpoints (with `checkpoint=True` by epoch, or every
    `checkpoint_save_freq` batches, for which Keras then waits at each). An option keeps what it was told before
    when it is not given. `Unavailable`: no Keras in a version this works with; `MisuseError`: a value that an option
    cannot take.
    """
    autologging.autolog_one("keras", options)


def log_model(
    model: Any,
    artifact_path: str | None = None,
    save_exported_model: bool = False,
    conda_env: Any = None,
    signature: Any = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    await_registration_for: int | None = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    *,
    code_paths: Iterable[str | Path] | None = None,
    run_id: str | None = None,
) -> LoggedModel:
    """Record a Keras model as a model directory of the current run; return where: its `model_uri` can be loaded from.

    As a `.keras` file, or with `save_exported_model=True` as a SavedModel of TensorFlow, which takes a signature or
    an input example. `save_model_kwargs` are those of `keras.Model.save`. It is written before this returns; the
    upload happens in the background. `MisuseError`: it cannot be written.
    """
    from fitscribe import publishing

    return publishing.log(
        "keras",
        model,
        name=name,
        artifact_path=artifact_path,
        options=_options(save_exported_model, save_model_kwargs, signature, input_example),
        signature=signature,
        input_example=input_example,
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
    save_exported_model: bool = False,
    conda_env: Any = None,
    mlflow_model: Any = None,
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    save_model_kwargs: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    *,
    code_paths: Iterable[str | Path] | None = None,
) -> None:
    """Write a model directory that `load_model` here and in MLflow loads; the arguments are those of `log_model`."""
    from fitscribe import publishing

    publishing.save(
        "keras",
        model,
        path,
        mlflow_model=mlflow_model,
        options=_options(save_exported_model, save_model_kwargs, signature, input_example),
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        conda_env=conda_env,
        metadata=metadata,
        code_paths=code_paths,
    )


def load_model(
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    load_model_kwargs: Mapping[str, Any] | None = None,
    *,
    trust: bool | str | Iterable[str] | None = None,
) -> Any:
    """Load a Keras model, ours or MLflow's, from any model URI (`runs:/...`, `models:/...`) or a folder.

    `.keras` files load in Keras's safe mode, which runs nothing; one with functions in it (a `Lambda` layer), and a
    SavedModel, needs `trust=True` if it is not signed by this user or team. Classes of one's own are registered, or in
    `custom_objects`. `load_model_kwargs` are those of `keras.saving.load_model`. `NotFoundError`: there is no model.
    """
    from fitscribe import publishing

    options = {"custom_objects": custom_objects, "load_model_kwargs": load_model_kwargs}
    return publishing.load("keras", model_uri, dst_path, trust=trust, options=options)


def _options(exported: bool, save_kwargs: Any, signature: Any, example: Any) -> dict[str, Any]:
    from fitscribe.models import signature as signatures

    found = signatures.as_signature(signature)
    if exported and found is None and example is not None:
        found = signatures.infer_signature(example)
    return {
        "save_exported_model": exported,
        "save_model_kwargs": save_kwargs,
        "inputs": found.inputs if exported and found else None,
    }
