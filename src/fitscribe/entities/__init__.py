"""What an endpoint knows, as small read-only objects with MLflow's names: experiments, runs, metrics, files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from fitscribe.entities.enumerations import LifecycleStage, LoggedModelStatus, RunStatus, SourceType, ViewType

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "ExperimentTag",
    "FileInfo",
    "InputTag",
    "LifecycleStage",
    "LoggedModel",
    "LoggedModelInput",
    "LoggedModelOutput",
    "LoggedModelStatus",
    "Metric",
    "PagedList",
    "Param",
    "Run",
    "RunData",
    "RunInfo",
    "RunInputs",
    "RunOutputs",
    "RunStatus",
    "RunTag",
    "SourceType",
    "ViewType",
]

T = TypeVar("T")


class Entity(msgspec.Struct, frozen=True):
    """A read-only object; `dict(entity)` gives its attributes by name, equality compares them all."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        for name in self.__struct_fields__:
            yield name, getattr(self, name)

    def to_dictionary(self) -> dict[str, Any]:
        """Return the attributes as plain dicts, lists, text and numbers."""
        return {name: _plain(value) for name, value in self}


def _plain(value: Any) -> Any:
    if isinstance(value, Entity):
        return value.to_dictionary()
    return [_plain(item) for item in value] if isinstance(value, list) else value


class Metric(Entity, frozen=True):
    """One point of a metric; `timestamp` in milliseconds since 1970."""

    key: str
    value: float
    timestamp: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None
    run_id: str | None = None


class Param(Entity, frozen=True):
    """A param: written once per run, always text."""

    key: str
    value: str


class RunTag(Entity, frozen=True):
    """A tag of a run."""

    key: str
    value: str


class ExperimentTag(Entity, frozen=True):
    """A tag of an experiment."""

    key: str
    value: str


class InputTag(Entity, frozen=True):
    """A tag of a dataset input, such as `mlflow.data.context`."""

    key: str
    value: str


class Experiment(Entity, frozen=True):
    """An experiment; times in milliseconds since 1970, None where the endpoint does not tell."""

    experiment_id: str
    name: str = ""
    artifact_location: str = ""
    lifecycle_stage: str = "active"
    tags: dict[str, str] = {}
    creation_time: int | None = None
    last_update_time: int | None = None
    workspace: str = "default"


class RunInfo(Entity, frozen=True):
    """Who and when: `start_time` and `end_time` in milliseconds since 1970, `status` as text such as "FINISHED"."""

    run_id: str
    experiment_id: str = ""
    user_id: str = ""
    status: str = "RUNNING"
    start_time: int = 0
    end_time: int | None = None
    lifecycle_stage: str = "active"
    artifact_uri: str = ""
    run_name: str = ""

    @property
    def run_uuid(self) -> str:
        """The run id under its old name."""
        return self.run_id


class RunData(Entity, frozen=True):
    """What was recorded: the latest value of each metric, the params and the tags."""

    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    tags: dict[str, str] = {}


class Dataset(Entity, frozen=True):
    """A dataset that a run read; `schema` and `profile` are JSON text."""

    name: str
    digest: str
    source_type: str = ""
    source: str = ""
    schema: str | None = None
    profile: str | None = None


class DatasetInput(Entity, frozen=True):
    """A dataset, and in its tags how the run used it."""

    dataset: Dataset
    tags: list[InputTag] = []

    def to_dictionary(self) -> dict[str, Any]:
        """Return the dataset's attributes, and the tags by key."""
        return {"dataset": self.dataset.to_dictionary(), "tags": {tag.key: tag.value for tag in self.tags}}


class LoggedModel(Entity, frozen=True):
    """A model with its files at `artifact_location`; times in milliseconds since 1970."""

    model_id: str
    name: str = ""
    experiment_id: str = ""
    artifact_location: str = ""
    creation_timestamp: int = 0
    last_updated_timestamp: int = 0
    model_type: str = ""
    source_run_id: str = ""
    status: LoggedModelStatus = LoggedModelStatus.UNSPECIFIED
    status_message: str = ""
    tags: dict[str, str] = {}
    params: dict[str, str] = {}
    metrics: list[Metric] = []

    @property
    def model_uri(self) -> str:
        """The URI to load it from, here or in MLflow."""
        return f"models:/{self.model_id}"


class LoggedModelInput(Entity, frozen=True):
    """A logged model that a run read."""

    model_id: str


class LoggedModelOutput(Entity, frozen=True):
    """A logged model that a run wrote, and at which step."""

    model_id: str
    step: int = 0


class RunInputs(Entity, frozen=True):
    """What a run read."""

    dataset_inputs: list[DatasetInput] = []
    model_inputs: list[LoggedModelInput] = []


class RunOutputs(Entity, frozen=True):
    """What a run wrote, apart from its artifacts."""

    model_outputs: list[LoggedModelOutput] = []


class Run(Entity, frozen=True):
    """A run as the endpoint had it when it was read."""

    info: RunInfo
    data: RunData = RunData()
    inputs: RunInputs = RunInputs()
    outputs: RunOutputs = RunOutputs()


class FileInfo(Entity, frozen=True):
    """A file or folder among a run's artifacts: `path` from the run's root, `file_size` in bytes (None: a folder)."""

    path: str
    is_dir: bool
    file_size: int | None = None


class PagedList(list[T], Generic[T]):
    """One page of results; `token` asks for the next one and is None on the last."""

    def __init__(self, items: Iterable[T] = (), token: str | None = None) -> None:
        super().__init__(items)
        self.token = token

    def to_list(self) -> list[T]:
        """Return the page as a plain list."""
        return list(self)
