"""fitscribe.sklearn: autologging of scikit-learn, and its models logged, saved and loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from fitscribe import autologging

if TYPE_CHECKING:
    from typing import Unpack

    from fitscribe.publishing import LoggedModel

__all__ = ["autolog", "load_model", "log_model", "save_model"]

Format = Literal["cloudpickle", "pickle", "skops"]


class Options(TypedDict, total=False):
    """What `autolog` takes; MLflow's words, and their meaning there."""

    log_input_examples: bool
    log_model_signatures: bool
    log_models: bool
    log_datasets: bool
    disable: bool
    exclusive: bool
    disable_for_unsupported_versions: bool
    silent: bool
    max_tuning_runs: int | None
    log_post_training_metrics: bool
    serialization_format: Format
    registered_model_name: str | None
    pos_label: Any
    log_plots: Literal["default", "all", "none"]
    max_model_size: float | None
    extra_tags: Mapping[str, str] | None


def autolog(**options: Unpack[Options]) -> None:
    """Record every scikit-learn training of this process from here on.

    Defaults: models, signatures and datasets are logged, input examples are not; every candidate of a search is a
    child run (`max_tuning_runs=None`); the plots are MLflow's (`log_plots`: "all" or "none"); a model of more than
    500 MB (`max_model_size`, bytes) is left out, and a tag says so; what `score`, scikit-learn's metrics and scorers
    say of the model later goes to its run (`log_post_training_metrics`). With `registered_model_name` each model
    becomes a version of that registered model; of a search its best estimator does. An option keeps what it was told
    before when it is not given. `Unavailable`: no scikit-learn in a version this works with; `MisuseError`: a value
    that an option cannot take.
    """
    autologging.autolog_one("sklearn", options)


def log_model(
    sk_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: Iterable[str | Path] | None = None,
    serialization_format: Format = "cloudpickle",
    registered_model_name: str | None = None,
    signature: Any = None,
    input_example: Any = None,
    await_registration_for: int | None = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    skops_trusted_types: Iterable[str] | None = None,
    run_id: str | None = None,
) -> LoggedModel:
    """Record a model as a model directory of the current run; return where: its `model_uri` can be loaded from.

    It is pickled before this returns; the rest, and the upload, happen in the background. Load it by
    `load_model("runs:/<run id>/model")`, here or in MLflow. `MisuseError`: it cannot be written in that format.
    """
    from fitscribe import publishing

    return publishing.log(
        "sklearn",
        sk_model,
        name=name,
        artifact_path=artifact_path,
        options=_options(serialization_format, pyfunc_predict_fn, skops_trusted_types),
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
    sk_model: Any,
    path: str | Path,
    conda_env: Any = None,
    code_paths: Iterable[str | Path] | None = None,
    mlflow_model: Any = None,
    serialization_format: Format = "cloudpickle",
    signature: Any = None,
    input_example: Any = None,
    pip_requirements: Iterable[str] | str | Path | None = None,
    extra_pip_requirements: Iterable[str] | str | Path | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    skops_trusted_types: Iterable[str] | None = None,
) -> None:
    """Write a model directory that `load_model` here and in MLflow loads. `MisuseError`: something lies at `path`."""
    from fitscribe import publishing

    publishing.save(
        "sklearn",
        sk_model,
        path,
        mlflow_model=mlflow_model,
        options=_options(serialization_format, pyfunc_predict_fn, skops_trusted_types),
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
    *,
    trust: bool | Iterable[str] | None = None,
    trusted: Iterable[str] = (),
) -> Any:
    """Load a scikit-learn model, ours or MLflow's, from any model URI (`runs:/...`, `models:/...`) or a folder.

    A pickle runs what it says: one that is not signed by this user or team needs `trust=True`. A skops file runs
    nothing; types that skops does not know load only if `trusted` names them. `NotFoundError`: there is no model.
    """
    from fitscribe import publishing

    return publishing.load("sklearn", model_uri, dst_path, trust=trust, options={"trusted": trusted})


def _options(serialization_format: Format, predict_fn: str, trusted: Iterable[str] | None) -> dict[str, Any]:
    return {
        "serialization_format": serialization_format,
        "pyfunc_predict_fn": predict_fn,
        "skops_trusted_types": tuple(trusted or ()),
    }
