"""The records: all that the capture wing says, and all that the delivery wing hears.

Each is a small frozen struct, written to the journal as MessagePack. `run` is a run id of ours (32 hex
characters), `at` is the time of the call in milliseconds since 1970. Fields may be added with a default;
none is ever renamed or given another meaning, since journals of older versions are still read.
"""

from __future__ import annotations

import time
import uuid
from typing import Literal, TypeAlias

import msgspec

__all__ = [
    "Artifact",
    "Bars",
    "DatasetUsed",
    "Drawing",
    "ExperimentNamed",
    "Heatmap",
    "Lines",
    "Metrics",
    "ModelBegun",
    "ModelLogged",
    "Params",
    "Record",
    "RunEnded",
    "RunResumed",
    "RunStarted",
    "Source",
    "Status",
    "Tags",
    "decode",
    "encode",
    "new_id",
    "now",
]

Status: TypeAlias = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]


class RunStarted(msgspec.Struct, frozen=True, tag="run", omit_defaults=True):
    """A run began. `to` is its tracking URI (without credentials); a run goes where it started, whole."""

    run: str
    at: int
    to: str
    name: str = ""
    experiment: str = ""  # name; empty with an empty id: the endpoint's default experiment
    experiment_id: str = ""
    parent: str = ""  # run id of ours
    tags: dict[str, str] = {}
    resume: bool = False  # the endpoint may have it from an earlier process of the same job: then it goes on there


class RunResumed(msgspec.Struct, frozen=True, tag="resumed", omit_defaults=True):
    """A run that the endpoint knows as `theirs` is written to from here on, under our id `run`."""

    run: str
    at: int
    to: str
    theirs: str
    reopen: bool = True  # set its status to RUNNING
    drift: bool = False  # a param that has another value there becomes the tag `fitscribe.drift.<param>`


class Params(msgspec.Struct, frozen=True, tag="params"):
    """Params, each written once per run; the values are text."""

    run: str
    at: int
    values: dict[str, str]


class Metrics(msgspec.Struct, frozen=True, tag="metrics", gc=False):
    """Metric points of one step; NaN and infinities are kept."""

    run: str
    at: int
    step: int
    values: dict[str, float]


class Tags(msgspec.Struct, frozen=True, tag="tags"):
    """Tags; a value of None takes the tag away."""

    run: str
    at: int
    values: dict[str, str | None]


class Artifact(msgspec.Struct, frozen=True, tag="artifact", omit_defaults=True):
    """A file for the run's artifact folder, at `path` (forward slashes).

    `file` is where the snapshot lies, relative to the journal's folder; delivery removes it when the endpoint has it.
    It is one of the files of the model with the id `model`, if that is given.
    """

    run: str
    at: int
    path: str
    file: str
    model: str = ""


class Lines(msgspec.Struct, frozen=True, tag="lines", omit_defaults=True):
    """A chart of named lines: `series` maps a legend to its x and y values (same length).

    Those named in `points` are drawn as points that no line connects.
    """

    title: str
    x: str
    y: str
    series: dict[str, tuple[list[float], list[float]]]
    points: list[str] = []


class Bars(msgspec.Struct, frozen=True, tag="bars", omit_defaults=True):
    """A chart of bars that lie below one another, one for each of `names`; `x` says what `values` are."""

    title: str
    x: str
    names: list[str]
    values: list[float]
    y: str = ""


class Heatmap(msgspec.Struct, frozen=True, tag="heatmap", omit_defaults=True):
    """A chart of a matrix: `values[row][column]`, one label a row (`rows`) and a column (`columns`)."""

    title: str
    x: str
    y: str
    rows: list[str]
    columns: list[str]
    values: list[list[float]]


class Drawing(msgspec.Struct, frozen=True, tag="drawing"):
    """A chart that is drawn as a PNG for `path` by the delivery wing, off the training thread."""

    run: str
    at: int
    path: str
    chart: Lines | Heatmap | Bars


class DatasetUsed(msgspec.Struct, frozen=True, tag="dataset", omit_defaults=True):
    """A dataset input: the fields of the protocol's Dataset, and how it was used (`train`, `eval`)."""

    run: str
    at: int
    name: str
    digest: str
    source_type: str = "code"
    source: str = "{}"
    schema: str = ""  # JSON text
    profile: str = ""  # JSON text
    context: str = ""


class ModelBegun(msgspec.Struct, frozen=True, tag="model-begun", omit_defaults=True):
    """A model directory begins at `path`, under an id of ours (`m-` and 32 hex characters); its files follow."""

    run: str
    at: int
    model: str
    path: str
    params: dict[str, str] = {}  # what was configured; empty: the params of the run
    tags: dict[str, str] = {}
    model_type: str = ""
    step: int = 0  # of the run, at which it was made


class ModelLogged(msgspec.Struct, frozen=True, tag="model", omit_defaults=True):
    """A model directory was recorded under `path`; `mlmodel` is its MLmodel file as JSON text.

    Its files travel as artifacts before this record. `model` is the id of ours under which it began; the journals of
    versions before that have none, and the files are the run's own. Recovery says it with an empty `mlmodel` of a
    model that its process did not live to finish.
    """

    run: str
    at: int
    path: str
    mlmodel: str
    register_as: str = ""
    model: str = ""
    registry: str = ""  # where it is registered, if not where the run is


class RunEnded(msgspec.Struct, frozen=True, tag="ended"):
    """A run is over."""

    run: str
    at: int
    status: Status


class Source(msgspec.Struct, frozen=True, tag="source"):
    """What was slow to learn of this process (git commit, ...): tags for every run that starts in this journal."""

    at: int
    tags: dict[str, str]


class ExperimentNamed(msgspec.Struct, frozen=True, tag="experiment"):
    """An experiment is to exist at the endpoint `to`."""

    at: int
    to: str
    name: str


Record: TypeAlias = (
    RunStarted
    | RunResumed
    | Params
    | Metrics
    | Tags
    | Artifact
    | Drawing
    | DatasetUsed
    | ModelBegun
    | ModelLogged
    | RunEnded
    | Source
    | ExperimentNamed
)

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode


def new_id() -> str:
    """Return a new run id of ours: 32 hex characters, random."""
    return uuid.uuid4().hex


def now() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
