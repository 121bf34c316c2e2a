"""Reading back: runs, experiments, metrics and artifacts of one endpoint, after the backlog has been settled."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from fitscribe.config import canonical_uri, settings
from fitscribe.entities import Experiment, FileInfo, LoggedModel, Metric, PagedList, Run
from fitscribe.entities.enumerations import ViewType
from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.guard import warn_once
from fitscribe.reading import answers, logged
from fitscribe.reading.backlog import backlog
from fitscribe.reading.downloads import ArtifactFolder, artifact_folder
from fitscribe.reading.endpoint import Deadline, Endpoint
from fitscribe.transport import Transport

__all__ = ["Reader", "every_page"]

T = TypeVar("T")

HISTORY_PAGE = 25_000
EXPERIMENTS_PAGE = 1000
VIEWS = {ViewType.ACTIVE_ONLY: "ACTIVE_ONLY", ViewType.DELETED_ONLY: "DELETED_ONLY", ViewType.ALL: "ALL"}


class Reader:
    """What can be read from one endpoint. Each call waits `settings().read_timeout` seconds at most.

    All of them raise `TransportError` when the endpoint gives no answer in time and `ServerError` when it refuses.
    """

    def __init__(
        self,
        tracking_uri: str | os.PathLike[str] | None = None,
        registry_uri: str | None = None,
        *,
        transport: Transport | None = None,
    ) -> None:
        """Speak to `tracking_uri`, or to the one that is set; `transport` replaces the road to it."""
        self.tracking_uri = canonical_uri(settings().tracking_uri if tracking_uri is None else tracking_uri)
        registry = registry_uri or settings().registry_uri
        self.registry_uri = canonical_uri(registry) if registry else self.tracking_uri
        self.endpoint = Endpoint(self.tracking_uri, transport)

    def get_run(self, run_id: str) -> Run:
        """Return a run with its latest metrics, params, tags and inputs. `NotFoundError`: there is no such run."""
        theirs, deadline = self._settled(run_id)
        answer = self.endpoint.ask("GET", "runs/get", {"run_id": theirs}, what=f"run {run_id}", deadline=deadline)
        return answers.run(answer.get("run"))

    def get_parent_run(self, run_id: str) -> Run | None:
        """Return the run that a run is nested in, or None."""
        parent = self.get_run(run_id).data.tags.get("mlflow.parentRunId")
        return self.get_run(parent) if parent else None

    def search_runs(
        self,
        experiment_ids: Sequence[str] | str,
        filter_string: str = "",
        run_view_type: int | str = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Run]:
        """Return one page of the runs that fit, newest first unless `order_by` says otherwise.

        `FilterError`: the endpoint cannot read the filter or the ordering.
        """
        _, deadline = self._settled()
        ids = [experiment_ids] if isinstance(experiment_ids, (str, int)) else experiment_ids
        body = {
            "experiment_ids": [str(one) for one in ids],
            "filter": filter_string or None,
            "run_view_type": _view(run_view_type),
            "max_results": max_results,
            "order_by": _orders(order_by),
            "page_token": page_token or None,
        }
        return answers.page(self.endpoint.ask("POST", "runs/search", body, deadline=deadline), "runs", answers.run)

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment, a deleted one as well. `NotFoundError`: there is none with this id."""
        _, deadline = self._settled()
        what, body = f"experiment {experiment_id}", {"experiment_id": str(experiment_id)}
        answer = self.endpoint.ask("GET", "experiments/get", body, what=what, deadline=deadline)
        return answers.experiment(answer.get("experiment"))

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return an experiment, a deleted one as well; None when none has this name."""
        _, deadline = self._settled()
        body = {"experiment_name": name}
        try:
            answer = self.endpoint.ask("GET", "experiments/get-by-name", body, deadline=deadline)
        except NotFoundError:
            return None
        return answers.experiment(answer.get("experiment"))

    def search_experiments(
        self,
        view_type: int | str = ViewType.ACTIVE_ONLY,
        max_results: int | None = EXPERIMENTS_PAGE,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return one page of the experiments that fit, the youngest first unless `order_by` says otherwise.

        `FilterError`: the endpoint cannot read the filter or the ordering.
        """
        _, deadline = self._settled()
        body = {
            "view_type": _view(view_type),
            "max_results": EXPERIMENTS_PAGE if max_results is None else max_results,
            "filter": filter_string or None,
            "order_by": _orders(order_by),
            "page_token": page_token or None,
        }
        answer = self.endpoint.ask("POST", "experiments/search", body, deadline=deadline)
        return answers.page(answer, "experiments", answers.experiment)

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Return every point of a metric, all pages; empty when there is no such metric."""
        theirs, _ = self._settled(run_id)
        query = {"run_id": theirs, "metric_key": key}

        def one_page(size: int, token: str | None) -> PagedList[Metric]:
            body = {**query, "max_results": size, "page_token": token}
            answer = self.endpoint.ask("GET", "metrics/get-history", body, what=f"run {run_id}")
            return answers.page(answer, "metrics", answers.metric)

        return every_page(one_page, HISTORY_PAGE)

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """Return the files and folders at a path of a run, by name; empty when the path is a file or is not there.

        `NotFoundError`: there is no such run. `NotBuiltYet`: its artifacts lie where this version cannot read.
        """
        return self._artifacts(run_id).files(path or "")

    def download_artifacts(self, run_id: str, path: str = "", dst_path: str | os.PathLike[str] | None = None) -> str:
        """Bring a file or a folder of a run into `dst_path` and return where it lies now.

        Without `dst_path` a new temporary folder is made, except where the artifacts lie on this machine: then the
        stored file or folder itself is returned. `NotFoundError`: nothing is stored at the path.
        """
        return str(self._artifacts(run_id).download(path or "", dst_path))

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model with its params, tags and metrics. `NotFoundError`: there is none with this id."""
        theirs, deadline = self._settled(model_id)
        return logged.by_id(self.endpoint, theirs, deadline)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str] | str,
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, str]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """Return one page of the logged models that fit, newest first unless `order_by` says otherwise.

        `order_by` is a list such as [{"field_name": "metrics.accuracy", "ascending": False}], `datasets` one such as
        [{"dataset_name": "iris"}], to which the metrics of the filter are to belong. `FilterError`: the endpoint
        cannot read them.
        """
        _, deadline = self._settled()
        ids = [experiment_ids] if isinstance(experiment_ids, (str, int)) else experiment_ids
        body = {
            "experiment_ids": [str(one) for one in ids],
            "filter": filter_string or None,
            "datasets": list(datasets or ()) or None,
            "max_results": max_results,
            "order_by": [dict(each) for each in order_by or ()] or None,
            "page_token": page_token or None,
        }
        return logged.found(self.endpoint, body, deadline)

    def _artifacts(self, run_id: str) -> ArtifactFolder:
        run = self.get_run(run_id)
        return logged.with_models(self.endpoint, run, artifact_folder(self.endpoint, run))

    def _model_artifacts(self, model: LoggedModel) -> ArtifactFolder:
        return logged.folder_of(self.endpoint, model)

    def _settled(self, run_id: str = "") -> tuple[str, Deadline]:
        """Deliver what this process recorded; return a run id as the endpoint knows it, and the time that is left."""
        deadline, behind = Deadline(settings().read_timeout), backlog()
        if behind is None:
            return run_id, deadline
        if not behind.flush(deadline.left()):
            warn_once("%s is read before all that was recorded has arrived there", self.endpoint.clean_uri)
        return behind.endpoint_id(run_id, deadline.left()) if run_id else "", deadline


def every_page(
    one_page: Callable[[int, str | None], PagedList[T]], size: int, max_results: int | None = None
) -> list[T]:
    """Return the results of `one_page(size, token)` over all pages, at most `max_results` of them."""
    found: list[T] = []
    token: str | None = None
    while max_results is None or len(found) < max_results:
        page = one_page(size if max_results is None else min(size, max_results - len(found)), token)
        found.extend(page)
        if not page.token or page.token == token:  # a token that stays would turn for ever
            break
        token = page.token
    return found


def _orders(order_by: Any) -> list[str] | None:
    return [order_by] if isinstance(order_by, str) else list(order_by or ()) or None


def _view(view_type: int | str) -> str:
    name = VIEWS.get(view_type, "") if isinstance(view_type, int) else str(view_type).upper()
    if name not in VIEWS.values():
        raise MisuseError(f"{view_type!r} is no view type; use ViewType.ACTIVE_ONLY, DELETED_ONLY or ALL")
    return name
