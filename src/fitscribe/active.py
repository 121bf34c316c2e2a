"""ActiveRun: a run as its user holds it. Its words raise at once where something cannot be recorded."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fitscribe import checks, contents
from fitscribe.current import enter, leave
from fitscribe.delivery import the_delivery
from fitscribe.errors import MissingFile, MisuseError, NotBuiltYet, ParamConflict
from fitscribe.guard import warn_once
from fitscribe.records import DatasetUsed, Metrics, Status, Tags, now
from fitscribe.run import WHOLE_PARAMS, Run, status_of
from fitscribe.values import PARAM_LIMIT, TAG_LIMIT, shortened, text

if TYPE_CHECKING:
    from fitscribe import entities

__all__ = ["ActiveRun", "LiveInfo", "as_read", "handle_of"]


class LiveInfo:
    """A run's `info`: the id as soon as the endpoint has given it, everything else as the endpoint has it now."""

    def __init__(self, run: Run) -> None:
        """Read nothing yet."""
        self._run = run

    @property
    def run_id(self) -> str:
        """The endpoint's id of the run. `TransportError`: it did not give one in time."""
        return the_delivery().theirs(self._run)

    run_uuid = run_id

    @property
    def run_name(self) -> str:
        """The run's name; the endpoint's choice where the user made none."""
        return self._run.name or str(self.__getattr__("run_name"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(as_read(self._run).info, name)

    def __repr__(self) -> str:
        return f"<info of run {self._run.id}>"


def as_read(run: Run) -> entities.Run:
    """Return a run as its endpoint has it; one that another rank records, as far as it is known here."""
    if run.aside:
        return _as_known(run)
    from fitscribe.reading.reader import Reader

    delivery = the_delivery()
    return Reader(delivery.full_uri(run.to)).get_run(delivery.theirs(run))


def _as_known(run: Run) -> entities.Run:
    from fitscribe import entities

    info = entities.RunInfo(run.id, run.address[2], status=run.ended or "RUNNING", run_name=run.name)
    data = entities.RunData(dict(run.metrics), dict(run.params), dict(run.tags))
    return entities.Run(info, data)


class ActiveRun:
    """A run to write to, whichever thread or task one is in; `with` ends it.

    Words that name a param, metric or tag check it before anything is recorded (`MisuseError`): of a call that
    raises nothing was recorded, and everything before it was.
    """

    def __init__(self, run: Run) -> None:
        """Wrap a run of the capture wing."""
        self.run = run
        self.info = LiveInfo(run)
        self._tables: dict[str, dict[str, list[Any]]] = {}

    @property
    def data(self) -> entities.RunData:
        """Metrics, params and tags as the endpoint has them, after all that was said has been delivered."""
        return as_read(self.run).data

    @property
    def inputs(self) -> entities.RunInputs:
        """The dataset inputs as the endpoint has them."""
        return as_read(self.run).inputs

    def to_dictionary(self) -> dict[Any, Any]:
        """Return info, data and inputs as the endpoint has them."""
        return as_read(self.run).to_dictionary()

    def __repr__(self) -> str:
        return f"<ActiveRun {self.run.name or self.run.id} ({self.run.ended or 'RUNNING'})>"

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(status_of(error))

    def end(self, status: Status = "FINISHED") -> None:
        """End the run; twice is once."""
        leave(self.run)
        self.run.end(status)

    def enter(self) -> ActiveRun:
        """Make it the current run of this thread or task."""
        enter(self.run)
        return self

    # params

    def log_param(self, key: str, value: Any) -> Any:
        """Record a param and return its value. `ParamConflict`: it has another value already."""
        self.log_params({key: value})
        return value

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record params as text; the same value again is fine. `ParamConflict`: one has another value already.

        In a run that autologging began, that one is kept as the tag `fitscribe.drift.<key>`: a training does not break
        off for what we wrote first.
        """
        fresh: dict[str, str] = {}
        drift: dict[str, str] = {}
        for key, value in checks.mapping(params, "params").items():
            words = text(value)
            known = self.run.params.get(checks.key(key, "param"))
            if known is not None and known != words and not self.run.by_user:
                drift[f"fitscribe.drift.{key}"] = words
            elif known is not None and known != words:
                raise ParamConflict(
                    f"the param {key!r} of this run is {shortened(known, 200)!r} and cannot become "
                    f"{shortened(words, 200)!r}: a param is written once; use a tag, a metric with steps, or a new run"
                )
            if known is None:
                fresh[key] = words
        self.set_tags(drift)
        if not fresh:
            return
        self.run.params.update(fresh)
        self.run.say_params({k: shortened(v, PARAM_LIMIT) for k, v in fresh.items()})
        if long := {key: words for key, words in fresh.items() if len(words) > PARAM_LIMIT}:
            warn_once(
                "the param %s has more than %d characters; it is cut, and kept whole in the artifact %s",
                next(iter(long)), PARAM_LIMIT, WHOLE_PARAMS,
            )  # fmt: skip
            self.run.keep_whole(long)

    # metrics

    def log_metric(self, key: str, value: Any, step: int | None = None, timestamp: int | None = None) -> None:
        """Record one metric point; the step is 0 and the time now (in milliseconds) unless given."""
        if type(value) is not float:
            value = checks.metric(key, value)
        at = now() if timestamp is None else checks.moment(timestamp)
        self.run.say(Metrics(self.run.id, at, checks.step(step), {checks.key(key, "metric"): value}))

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None, timestamp: int | None = None) -> None:
        """Record several metric points of one step."""
        points = {
            checks.key(key, "metric"): checks.metric(key, value)
            for key, value in checks.mapping(metrics, "metrics").items()
        }
        at = now() if timestamp is None else checks.moment(timestamp)
        if points:
            self.run.say(Metrics(self.run.id, at, checks.step(step), points))

    # tags

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag; one that is there gets the new value."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags as text; longer values than 8000 characters are cut."""
        pairs: dict[str, str | None] = {
            checks.key(key, "tag"): shortened(text(value), TAG_LIMIT)
            for key, value in checks.mapping(tags, "tags").items()
        }
        if pairs:
            self.run.say(Tags(self.run.id, now(), pairs))

    def delete_tag(self, key: str) -> None:
        """Take a tag away; one that is not there is no error."""
        self.run.say(Tags(self.run.id, now(), {checks.key(key, "tag"): None}))

    # artifacts

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Record a copy of a file, as it is now, or of a folder under its name. `MissingFile`: it is not there."""
        path = Path(local_path)
        if not path.exists():
            raise MissingFile(f"there is no file {os.fspath(local_path)!r} to log (looked in {Path.cwd()})")
        folder = checks.artifact_path(artifact_path)
        if path.is_dir():
            self.log_artifacts(path, f"{folder}/{path.name}".strip("/"))
        else:
            self._keep(path, f"{folder}/{path.name}".strip("/"))

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Record copies of all files in a folder and below it."""
        root, folder = Path(local_dir), checks.artifact_path(artifact_path)
        if not root.is_dir():
            raise MissingFile(f"there is no folder {os.fspath(local_dir)!r} to log (looked in {Path.cwd()})")
        for file in contents.files_below(root):
            self._keep(file, f"{folder}/{file.relative_to(root).as_posix()}".strip("/"))

    def _keep(self, content: Path | bytes, path: str) -> None:
        if not checks.artifact_path(path):
            raise MisuseError("an artifact needs a file name, such as 'notes.txt'")
        the_delivery()
        self.run.keep(content, checks.artifact_path(path))

    def log_text(self, words: str, artifact_file: str) -> None:
        """Record a text as a file (UTF-8)."""
        self._keep(str(words).encode("utf-8", "backslashreplace"), artifact_file)

    def log_dict(self, dictionary: Any, artifact_file: str) -> None:
        """Record a dict or list as JSON, or as YAML where the file's name ends in .yaml or .yml."""
        self._keep(contents.dict_bytes(dictionary, artifact_file), artifact_file)

    def log_figure(self, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
        """Record a matplotlib or plotly figure as it is now, in the format that the file's name asks for."""
        self._keep(contents.figure_bytes(figure, artifact_file, save_kwargs), artifact_file)

    def log_image(
        self,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
    ) -> None:
        """Record an image (array or Pillow) as a file, or under a `key` with steps as the image of a series."""
        if (artifact_file is None) == (key is None):
            raise MisuseError("log_image takes either artifact_file or key")
        if key is None:
            self._keep(contents.image_bytes(image, str(artifact_file)), str(artifact_file))
            return
        at = now() if timestamp is None else checks.moment(timestamp)
        name = checks.key(key, "image").replace("/", "#")
        stem = f"images/{name}%step%{checks.step(step)}%timestamp%{at}%{uuid.uuid4()}"
        self._keep(contents.image_bytes(image, "a.png"), f"{stem}.png")
        self._keep(contents.image_bytes(image, "a.webp"), f"{stem}%compressed.webp")

    def log_table(self, data: Any, artifact_file: str) -> None:
        """Record a dict of columns or a data frame as a JSON table; a second call adds rows to the file."""
        table = contents.merged(self._tables.get(artifact_file, {}), contents.table_columns(data))
        self._tables[artifact_file] = table
        self._keep(contents.table_bytes(table), artifact_file)

    # datasets

    def log_input(
        self, dataset: Any, context: str | None = None, tags: Mapping[str, str] | None = None, name: str = "dataset"
    ) -> None:
        """Record a dataset input: an MLflow dataset object, a data frame or an array.

        Of a data frame or array only digest, schema and shape are recorded, not the data.
        """
        if tags:
            raise NotBuiltYet("log_input(tags=...) is not supported yet; give a context, or set tags of the run")
        self.run.say(DatasetUsed(self.run.id, now(), **{"name": name, **_facts(dataset), "context": context or ""}))


def handle_of(run: Run) -> ActiveRun:
    """Return the one `ActiveRun` of a run."""
    if run.handle is None:
        run.handle = ActiveRun(run)
    handle: ActiveRun = run.handle
    return handle


def _facts(dataset: Any) -> dict[str, str]:
    if hasattr(dataset, "digest") and hasattr(dataset, "to_dict"):
        known = dataset.to_dict()
        wanted = ("name", "digest", "source_type", "source", "schema", "profile")
        return {key: str(known[key]) for key in wanted if known.get(key) is not None}
    from fitscribe.models import datasets

    found = datasets.describe(dataset)
    if found is None:
        raise MisuseError(f"log_input takes a dataset, a data frame or an array, not {type(dataset).__name__}")
    return dict(found)
