"""Client: one endpoint, by run id. What it records of runs goes through the journal, as everything does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from fitscribe import attaching, checks
from fitscribe.active import ActiveRun, as_read, handle_of
from fitscribe.delivery import the_delivery
from fitscribe.errors import MisuseError
from fitscribe.loggedmodels import LoggedModels
from fitscribe.records import Status
from fitscribe.registering.webhooks import Webhooks
from fitscribe.run import set_aside

if TYPE_CHECKING:
    from fitscribe.entities import Metric, Param, Run, RunTag

__all__ = ["Client", "MlflowClient"]


class Client(LoggedModels, Webhooks):
    """Reads and writes of one endpoint by run id, under the names of MLflow's client.

    Words that record something of a run wait for nothing and raise on misuse, as `ActiveRun`'s do; the first one
    about a run looks whether the endpoint has it (`NotFoundError`). Runs stay open until `set_terminated`.
    """

    def _handle(self, run_id: str) -> ActiveRun:
        return handle_of(attaching.by_id(run_id, self.tracking_uri))

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> Run:
        """Begin a run and return it as the endpoint has it; `start_time` in milliseconds, now unless given."""
        at = None if start_time is None else checks.moment(start_time)
        labels = {checks.key(name, "tag"): value for name, value in (tags or {}).items()}
        theirs = attaching.begun(str(experiment_id), run_name or "", labels, at, self.tracking_uri)[1]
        return self.get_run(theirs)

    def get_run(self, run_id: str) -> Run:
        """Return a run with its latest metrics, params, tags and inputs. `NotFoundError`: there is no such run."""
        aside = set_aside.get(run_id)
        return super().get_run(run_id) if aside is None else as_read(aside)

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """End a run as FINISHED or another status; `end_time` in milliseconds, now unless given."""
        wanted = status or "FINISHED"
        if wanted not in get_args(Status):
            raise MisuseError(f"a run ends as {', '.join(get_args(Status)[2:])}, not as {status!r}")
        at = None if end_time is None else checks.moment(end_time)
        self._handle(run_id).run.end(cast("Status", wanted), at)

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Record a param and return its value. `ParamConflict`: it has another value already."""
        self._handle(run_id).log_param(key, value)
        self._delivered(synchronous)
        return value

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: Any,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Record one metric point; the step is 0 and the time now (milliseconds) unless given."""
        self._handle(run_id).log_metric(key, value, step, timestamp)
        self._delivered(synchronous)

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Sequence[Param] = (),
        tags: Sequence[RunTag] = (),
        synchronous: bool | None = None,
    ) -> None:
        """Record metrics, params and tags, any number of them."""
        handle = self._handle(run_id)
        for point in metrics:
            checks.metric(checks.key(point.key, "metric"), point.value)
        handle.log_params({param.key: param.value for param in params})
        handle.set_tags({tag.key: tag.value for tag in tags})
        for point in metrics:
            handle.log_metric(point.key, point.value, point.step, point.timestamp)
        self._delivered(synchronous)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> None:
        """Set a tag; one that is there gets the new value."""
        self._handle(run_id).set_tag(key, value)
        self._delivered(synchronous)

    def log_artifact(self, run_id: str, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Record a copy of a file, or of a folder under its name. `MissingFile`: it is not there."""
        self._handle(run_id).log_artifact(local_path, artifact_path)

    def log_artifacts(self, run_id: str, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Record copies of all files in a folder and below it. `MissingFile`: it is not there."""
        self._handle(run_id).log_artifacts(local_dir, artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Record a text as a file (UTF-8)."""
        self._handle(run_id).log_text(text, artifact_file)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Record a dict or list as JSON, or as YAML where the file's name ends in .yaml or .yml."""
        self._handle(run_id).log_dict(dictionary, artifact_file)

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None
    ) -> None:
        """Record a matplotlib or plotly figure as it is now."""
        self._handle(run_id).log_figure(figure, artifact_file, save_kwargs=save_kwargs)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> None:
        """Record an image as a file, or under a `key` with steps as the image of a series."""
        self._handle(run_id).log_image(image, artifact_file, key, step, timestamp)
        self._delivered(synchronous)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        """Record a dict of columns or a data frame as a JSON table; a second call adds rows to the file."""
        self._handle(run_id).log_table(data, artifact_file)

    def log_inputs(self, run_id: str, datasets: Sequence[Any] = ()) -> None:
        """Record dataset inputs, each with the context that its tag `mlflow.data.context` says."""
        for each in datasets:
            context = next((tag.value for tag in each.tags if tag.key == "mlflow.data.context"), "")
            self._handle(run_id).log_input(each.dataset, context)

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until all that was said before is delivered or set aside; False when time ran out."""
        return the_delivery().flush(seconds)

    def _delivered(self, synchronous: bool | None) -> None:
        if synchronous:
            the_delivery().flush_or_say()


MlflowClient = Client
