"""The tracking API under MLflow's names: what users call as functions of `fitscribe`.

Words that record something need no endpoint and wait for none. Words that read deliver first what was said
before, wait at most the read timeout (10 s), and then raise `TransportError`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from fitscribe import attaching, checks, config, current, ranks
from fitscribe.active import ActiveRun, as_read, handle_of
from fitscribe.delivery import the_delivery
from fitscribe.errors import MisuseError, NotBuiltYet
from fitscribe.records import Status
from fitscribe.run import Run

if TYPE_CHECKING:
    from fitscribe import entities
    from fitscribe.shipping.status import DeliveryStatus

__all__ = [
    "active_run",
    "delete_tag",
    "delivery_status",
    "end_run",
    "flush",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "last_active_run",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
]

# where runs go


def set_tracking_uri(uri: str | Path) -> None:
    """Let the runs that start from now on go to `uri`: a server, or a folder for an embedded store; "" is the default.

    `MisuseError`: a scheme that nobody knows. `NotBuiltYet`: one that this version does not have.
    """
    if str(uri):
        config.canonical_uri(uri)  # refused here, not at the first run
    config.configure(tracking_uri=str(uri) or None)


def get_tracking_uri() -> str:
    """Return where runs that start now go: `http(s)://...`, or `file:///...` of an embedded store."""
    return the_delivery().uri()


def is_tracking_uri_set() -> bool:
    """True when an argument or the environment says where runs go; else they go to the embedded store."""
    return bool(config.settings().tracking_uri)


# runs


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Begin a run, or take up the one that the endpoint knows as `run_id`, and make it the current one.

    With a run of yours under way in this thread or task, `nested=True` begins a child of it and anything else is a
    `MisuseError`; in a run that autologging opened, it is a child anyway. `NotFoundError`: no run has that id.
    """
    if log_system_metrics:
        raise NotBuiltYet("log_system_metrics=True is not supported yet; leave it out")
    parent = current.current_here()
    if parent is not None and not parent.by_user:
        nested = True  # autologging's own, of the fit that calls us: without autologging this would go through
    if parent is not None and not (nested or parent_run_id):
        raise MisuseError(
            f"the run {parent.name or parent.id} is still under way; end it with end_run(), "
            "or write start_run(nested=True) for a run inside it"
        )
    wanted = run_id or (config.settings().run_id if parent is None else "")
    if wanted:
        config.forget("run_id")
        handle = handle_of(attaching.attached(wanted, _address(experiment_id)))
        handle.set_tags(_labels(tags, description))
        return handle.enter()
    run = Run.start(
        run_name or "",
        parent=parent if nested and not parent_run_id else None,
        parent_id=parent_run_id or "",
        tags=_labels(tags, description),
        by_user=True,
        address=_address(experiment_id),
    )
    return handle_of(run).enter()


def _labels(tags: Mapping[str, Any] | None, description: str | None) -> dict[str, Any]:
    labels = {checks.key(name, "tag"): value for name, value in checks.mapping(tags or {}, "tags").items()}
    if description is not None:
        if "mlflow.note.content" in labels:
            raise MisuseError("start_run takes a description or the tag mlflow.note.content, not both")
        labels["mlflow.note.content"] = description
    return labels


def _address(experiment_id: str | None) -> tuple[str, str, str]:
    delivery = the_delivery()
    if experiment_id is None:
        return delivery.address()
    if ranks.aside():
        return delivery.uri(), "", str(experiment_id)
    from fitscribe import experiments

    experiments.known(str(experiment_id))
    return delivery.uri(), "", str(experiment_id)


def active_run() -> ActiveRun | None:
    """Return the run that is written to in this thread or task, or None: the current one, or that of a loop."""
    run = current.spoken_to()
    return None if run is None or run.ended is not None else handle_of(run)


def end_run(status: str = "FINISHED") -> None:
    """End the current run; without one, nothing happens. `MisuseError`: no such status."""
    if status not in get_args(Status):
        raise MisuseError(f"a run ends as {', '.join(get_args(Status)[2:])}, not as {status!r}")
    the_delivery()
    run = current.spoken_to()
    if run is not None:
        handle_of(run).end(status)  # type: ignore[arg-type]


def last_active_run() -> entities.Run | None:
    """Return the run that was current last in this process, as the endpoint has it now; None if there was none."""
    run = current.last_entered()
    if run is None:
        return None
    return as_read(run)


def by_id_or_current(run_id: str | None = None) -> ActiveRun:
    """Return the run to write to: the one named, the current one, or a new one."""
    if run_id is not None:
        return handle_of(attaching.by_id(run_id))
    run = current.spoken_to()
    if run is None:
        run = the_delivery().late()
    if run is None:
        return start_run()
    handle: ActiveRun | None = run.handle
    return handle if handle is not None else handle_of(run)


def flush(seconds: float | None = None) -> bool:
    """Wait until all that was said before is delivered or set aside; False when time (30 s unless given) ran out."""
    return the_delivery().flush(seconds)


# what is recorded; `synchronous=True` also waits for its delivery


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Record a param of the current run and return its value. `ParamConflict`: it has another value already."""
    by_id_or_current().log_param(key, value)
    _delivered(synchronous)
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    """Record params of the current run, or of `run_id`. `ParamConflict`: one has another value; none is recorded."""
    by_id_or_current(run_id).log_params(params)
    _delivered(synchronous)


def log_metric(
    key: str,
    value: Any,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
) -> None:
    """Record one metric point; the step is 0 and the time now (milliseconds) unless given. `MisuseError`: no number."""
    by_id_or_current(run_id).log_metric(key, value, step, timestamp)
    if synchronous:
        _delivered(synchronous)


def log_metrics(
    metrics: Mapping[str, Any],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
) -> None:
    """Record several metric points of one step. `MisuseError`: one is no number; none is recorded."""
    by_id_or_current(run_id).log_metrics(metrics, step, timestamp)
    _delivered(synchronous)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    """Set a tag of the current run; one that is there gets the new value."""
    by_id_or_current().set_tag(key, value)
    _delivered(synchronous)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None) -> None:
    """Set tags of the current run."""
    by_id_or_current().set_tags(tags)
    _delivered(synchronous)


def delete_tag(key: str) -> None:
    """Take a tag of the current run away; one that is not there is no error."""
    by_id_or_current().delete_tag(key)


def log_artifact(local_path: str | Path, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Record a copy of a file, as it is now, or of a folder under its name. `MissingFile`: it is not there."""
    by_id_or_current(run_id).log_artifact(local_path, artifact_path)


def log_artifacts(local_dir: str | Path, artifact_path: str | None = None, run_id: str | None = None) -> None:
    """Record copies of all files in a folder and below it. `MissingFile`: it is not there."""
    by_id_or_current(run_id).log_artifacts(local_dir, artifact_path)


def log_text(text: str, artifact_file: str, run_id: str | None = None) -> None:
    """Record a text as a file (UTF-8)."""
    by_id_or_current(run_id).log_text(text, artifact_file)


def log_dict(dictionary: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Record a dict or list as JSON, or as YAML where the file's name ends in .yaml or .yml."""
    by_id_or_current(run_id).log_dict(dictionary, artifact_file)


def log_figure(figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
    """Record a matplotlib or plotly figure as it is now, in the format that the file's name asks for."""
    by_id_or_current().log_figure(figure, artifact_file, save_kwargs=save_kwargs)


def log_image(
    image: Any,
    artifact_file: str | None = None,
    key: str | None = None,
    step: int | None = None,
    timestamp: int | None = None,
    synchronous: bool | None = None,
) -> None:
    """Record an image (array or Pillow) as a file, or under a `key` with steps as the image of a series."""
    by_id_or_current().log_image(image, artifact_file, key, step, timestamp)
    _delivered(synchronous)


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Record a dict of columns or a data frame as a JSON table; a second call adds rows to the file."""
    by_id_or_current(run_id).log_table(data, artifact_file)


def log_input(
    dataset: Any, context: str | None = None, tags: Mapping[str, str] | None = None, *, name: str = "dataset"
) -> None:
    """Record a dataset input: an MLflow dataset object, a data frame or an array (its digest, not its data)."""
    by_id_or_current().log_input(dataset, context, tags, name)


def delivery_status() -> DeliveryStatus:
    """Return how many records wait, what went wrong last, and what fitscribe has cost this process so far.

    Nothing is delivered or waited for. `overhead_ms` is also a tag of each run, `fitscribe.overhead_ms`: what the
    process's threads spent in fitscribe while that run was open.
    """
    return the_delivery().status()


def _delivered(synchronous: bool | None) -> None:
    if synchronous:
        the_delivery().flush_or_say()
