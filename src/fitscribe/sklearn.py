"""fitscribe.sklearn: autologging of scikit-learn, and its models logged, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from fitscribe import autologging
from fitscribe.errors import MisuseError, NotBuiltYet

if TYPE_CHECKING:
    from typing import Unpack

    from fitscribe.active import ActiveRun
    from fitscribe.models.signature import ModelSignature
    from fitscribe.models.sklearn import PickledModel

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


class LoggedModel:
    """Where a model was recorded: `artifact_path` in its run, and by then the endpoint's `run_id` and `model_uri`."""

    def __init__(self, run: ActiveRun, artifact_path: str) -> None:
        """Ask the endpoint nothing yet."""
        self._run, self.artifact_path = run, artifact_path

    @property
    def run_id(self) -> str:
        """The endpoint's id of the run. `TransportError`: it did not give one in time."""
        return self._run.info.run_id

    @property
    def model_uri(self) -> str:
        """The URI to load the model from, here or in MLflow: `runs:/<run id>/<path>`."""
        return f"runs:/{self.run_id}/{self.artifact_path}"

    def __repr__(self) -> str:
        return f"<LoggedModel {self.artifact_path!r} of {self._run!r}>"


def autolog(**options: Unpack[Options]) -> None:
    """Record every scikit-learn training of this process from here on.

    Defaults: models, signatures and datasets are logged, input examples are not; every candidate of a search is a
    child run (`max_tuning_runs=None`); the plots are MLflow's (`log_plots`: "all" or "none"); a model of more than
    500 MB (`max_model_size`, bytes) is left out, and a tag says so. An option keeps what it was told before when it is
    not given. `Unavailable`:
    no scikit-learn in a version this works with; `MisuseError`: a value that an option cannot take;
    `NotBuiltYet`: `registered_model_name` and `log_post_training_metrics=True`.
    """
    autologging.autolog_one("sklearn", options)


def log_model(
    sk_model: Any,
    artifact_path: str | None = None,
    conda_env: Any = None,
    code_paths: list[str] | None = None,
    serialization_format: Format = "cloudpickle",
    registered_model_name: str | None = None,
    signature: ModelSignature | None = None,
    input_example: Any = None,
    await_registration_for: int | None = None,
    pip_requirements: list[str] | str | None = None,
    extra_pip_requirements: list[str] | str | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    skops_trusted_types: Iterable[str] = (),
    run_id: str | None = None,
) -> LoggedModel:
    """Record a model as a model directory of the current run; return where: its `model_uri` can be loaded from.

    It is pickled before this returns; the rest, and the upload, happen in the background. Load it by
    `load_model("runs:/<run id>/model")`, here or in MLflow. `MisuseError`: it cannot be written in that format.
    """
    from fitscribe import fluent, modeling
    from fitscribe.checks import artifact_path as checked

    _refuse_unbuilt(conda_env=conda_env, code_paths=code_paths, registered_model_name=registered_model_name)
    path = checked(name or artifact_path or "model")
    handle = fluent.by_id_or_current(run_id)
    if handle.run.aside:
        return LoggedModel(handle, path)
    found, example = modeling.looked_at(sk_model, input_example, signature=signature is None, input_example=True)
    modeling.record(
        handle.run,
        sk_model,
        path,
        serialization_format=serialization_format,
        signature=signature or found,
        example=example,
        requirements=_requirements(pip_requirements, extra_pip_requirements, input_example),
        metadata=metadata,
        predict_fn=pyfunc_predict_fn,
        trusted=skops_trusted_types,
    )
    return LoggedModel(handle, path)


def save_model(
    sk_model: Any,
    path: str | Path,
    conda_env: Any = None,
    code_paths: list[str] | None = None,
    mlflow_model: Any = None,
    serialization_format: Format = "cloudpickle",
    signature: ModelSignature | None = None,
    input_example: Any = None,
    pip_requirements: list[str] | str | None = None,
    extra_pip_requirements: list[str] | str | None = None,
    pyfunc_predict_fn: str = "predict",
    metadata: Mapping[str, Any] | None = None,
    skops_trusted_types: Iterable[str] = (),
) -> None:
    """Write a model directory that `load_model` here and in MLflow loads. `MisuseError`: something lies at `path`."""
    from fitscribe.models import sklearn as flavor

    _refuse_unbuilt(conda_env=conda_env, mlflow_model=mlflow_model)
    flavor.save_model(
        sk_model,
        path,
        serialization_format=serialization_format,
        signature=signature,
        input_example=input_example,
        pip_requirements=pip_requirements,
        extra_pip_requirements=extra_pip_requirements,
        metadata=metadata,
        code_paths=code_paths,
        pyfunc_predict_fn=pyfunc_predict_fn,
        skops_trusted_types=skops_trusted_types,
    )


def load_model(model_uri: str | Path, dst_path: str | Path | None = None, *, trusted: Iterable[str] = ()) -> Any:
    """Load a scikit-learn model from `runs:/<run id>/<path>` or from a folder, ours or MLflow's.

    A pickle runs what it says: load what you trust. `NotFoundError`: there is no model.
    """
    from fitscribe import artifacts
    from fitscribe.models import sklearn as flavor

    words = str(model_uri)
    if words.startswith("models:/"):
        raise NotBuiltYet(f"load_model({words!r}): the model registry is not built yet; use runs:/<run id>/<path>")
    folder = artifacts.download_artifacts(words, dst_path=dst_path) if ":/" in words else words
    return flavor.load_model(folder, trusted=trusted)


def _requirements(given: Any, extra: Any, example: Any) -> Callable[[PickledModel], list[str]]:
    """Say how to find what the model needs: what the caller says, or what is in it and what the caller adds."""
    from fitscribe.models.requirements import given_requirements
    from fitscribe.models.sklearn import default_requirements

    if given is not None and extra is not None:
        raise MisuseError("give pip_requirements or extra_pip_requirements, not both: the first replaces what we find")
    if given is not None:
        fixed = given_requirements(given)
        return lambda model: fixed
    modules = [] if example is None else [type(example).__module__]
    added = [] if extra is None else given_requirements(extra)
    return lambda model: [*default_requirements(model, modules), *added]


def _refuse_unbuilt(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise NotBuiltYet(f"{name}={value!r:.80} is not supported yet; leave it out")
