"""Models of every flavor under MLflow's names: logged to a run, saved to a folder, loaded from wherever they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fitscribe import checks, fluent
from fitscribe.errors import NotFoundError, ServerError
from fitscribe.guard import warn_once

if TYPE_CHECKING:
    from fitscribe.active import ActiveRun
    from fitscribe.client import Client
    from fitscribe.models.signature import ModelSignature

__all__ = ["LoggedModel", "load", "log", "save"]


class LoggedModel:
    """Where a model was recorded, under the names of MLflow's `ModelInfo`; nothing is asked before it is wanted.

    `artifact_path` is in its run, `flavors`, `signature`, `metadata` and `model_uuid` are those of its MLmodel file;
    `run_id`, `model_uri` and `registered_model_version` ask the endpoint, once it has them.
    """

    def __init__(self, run: ActiveRun, artifact_path: str, content: Mapping[str, Any], register_as: str = "") -> None:
        """Ask the endpoint nothing yet."""
        self._run, self._content, self._register_as = run, content, register_as
        self.artifact_path = self.name = artifact_path

    @property
    def run_id(self) -> str:
        """The endpoint's id of the run. `TransportError`: it did not give one in time."""
        return self._run.info.run_id

    @property
    def model_uri(self) -> str:
        """The URI to load the model from, here or in MLflow: `runs:/<run id>/<path>`."""
        return f"runs:/{self.run_id}/{self.artifact_path}"

    @property
    def model_id(self) -> str | None:
        """The endpoint's id of the logged model; None where it has runs and artifacts alone, as before MLflow 3."""
        ours = self._content.get("model_id")
        if not ours:
            return None
        try:
            return self._client().get_logged_model(str(ours)).model_id
        except (NotFoundError, ServerError):
            return None

    @property
    def registered_model_version(self) -> int | None:
        """The version of `registered_model_name` that the model became; None where none was asked for."""
        if not self._register_as:
            return None
        from fitscribe.registering.versions import KEY

        self._client().get_run(self.run_id)  # delivers what is on its way
        found = self._client().search_model_versions(f"name = '{self._register_as}' AND run_id = '{self.run_id}'")
        ours = {str(self._content.get("model_id")), self.model_id}
        mine = [each for each in found if {each.model_id, each.tags.get(KEY)} & ours] or found
        return max((int(each.version) for each in mine), default=None)

    def _client(self) -> Client:
        from fitscribe.client import Client

        return Client(self._run.run.to)

    @property
    def flavors(self) -> dict[str, Any]:
        """The flavors by name, as they stand in the MLmodel file; none where another rank records."""
        return dict(self._content.get("flavors", {}))

    @property
    def signature(self) -> ModelSignature | None:
        """The signature of the model, or None."""
        from fitscribe.models.signature import ModelSignature

        parts = self._content.get("signature")
        return ModelSignature.from_dict(parts) if parts else None

    @property
    def metadata(self) -> dict[str, Any] | None:
        """What the user said of the model beside all else."""
        return self._content.get("metadata")

    @property
    def model_uuid(self) -> str:
        """The id in the MLmodel file."""
        return str(self._content.get("model_uuid", ""))

    @property
    def utc_time_created(self) -> str:
        """When the MLmodel file was written, as text in UTC."""
        return str(self._content.get("utc_time_created", ""))

    def __repr__(self) -> str:
        return f"<LoggedModel {self.artifact_path!r} of {self._run!r}>"


def log(
    flavor: str,
    model: Any,
    *,
    name: str | None = None,
    artifact_path: str | None = None,
    options: Mapping[str, Any] | None = None,
    input_example: Any = None,
    registered_model_name: str | None = None,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
    await_registration_for: float | None = None,
    run_id: str | None = None,
    **around: Any,
) -> LoggedModel:
    """Record a model as a model directory of a run (`run_id`, the current one, or a new one that stays open).

    It is written before this returns; the rest, the upload and the registration happen in the background, unless this
    is to wait for a version, `await_registration_for` seconds at most. `params` are what the model was configured with,
    if not the params of the run; `tags`, `model_type` and `step` are those of the logged model; what stands
    `around` it is in the words of `models.wishes.wishes`.
    `MisuseError`: it cannot be written, or an argument is wrong; nothing is recorded then.
    """
    from fitscribe import modeling
    from fitscribe.models import flavors
    from fitscribe.models.wishes import wishes

    path, options = checks.artifact_path(name or artifact_path or "model"), options or {}
    register_as = "" if registered_model_name is None else checks.model_name(registered_model_name)
    facts = {"tags": checks.mapping(tags or {}, "tags"), "model_type": model_type or "", "step": checks.step(step)}
    params = checks.mapping(params or {}, "params")
    module = flavors.flavor(flavor)
    getattr(module, "check", dict)(**options)
    wished = wishes(input_example=input_example, **around)
    handle = fluent.by_id_or_current(run_id)
    if handle.run.aside:
        return LoggedModel(handle, path, {})
    wished = wished.signed(module, model, input_example, options)
    content = modeling.record(
        handle.run,
        model,
        path,
        flavor=flavor,
        wished=wished,
        options=options,
        register_as=register_as,
        params=params,
        **facts,
    )
    if register_as and await_registration_for and not fluent.flush(await_registration_for):
        warn_once("%s is not registered after %s s; that goes on", register_as, await_registration_for)
    return LoggedModel(handle, path, content, register_as)


def save(flavor: str, model: Any, path: str | Path, *, mlflow_model: Any = None, **how: Any) -> None:
    """Write a model directory; the words are those of `models.directory.save`.

    With `mlflow_model`, a `fitscribe.models.Model`, its metadata and run id are written, and it has the content.
    """
    from fitscribe.models import directory

    about = getattr(mlflow_model, "metadata", None)
    if about and how.get("metadata") is None:
        how["metadata"] = about
    content = directory.save(flavor, model, path, **how)
    if mlflow_model is not None:
        mlflow_model.flavors.update(content["flavors"])


def load(
    flavor: str,
    model_uri: str | Path,
    dst_path: str | Path | None = None,
    *,
    trust: Any = None,
    options: Mapping[str, Any] | None = None,
) -> Any:
    """Load a model as its framework made it, from any model URI or a folder, ours or MLflow's.

    `NotFoundError`: there is no model; `MisuseError`: a model of another flavor. A model that would run code to be
    loaded, and is not of this user, needs `trust`.
    """
    from fitscribe import locating
    from fitscribe.models import directory

    with locating.located(model_uri, dst_path) as folder:
        return directory.load(folder, flavor, trust=trust, options=options)
