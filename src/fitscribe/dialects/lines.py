"""The lines of `events+http(s)://`: one JSON object for each record, as `events.schema.json` describes them.

A record loses what only its journal needs (`to`, the file of a snapshot) and gains an `id`, the same each time that it
is sent. NaN and infinities are the strings "NaN", "Infinity" and "-Infinity", since JSON has no numbers for them.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any, Literal, TypeAlias

import msgspec

from fitscribe.records import (
    Artifact,
    Bars,
    DatasetUsed,
    Drawing,
    ExperimentNamed,
    Heatmap,
    Lines,
    Metrics,
    ModelBegun,
    ModelLogged,
    Params,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    Status,
    Tags,
)

__all__ = ["Line", "encoded", "line_of", "schema"]

Number: TypeAlias = float | Literal["NaN", "Infinity", "-Infinity"]


class _Line(msgspec.Struct, tag_field="type"):
    id: str  # 32 hex characters
    at: int  # milliseconds since 1970


class RunLine(_Line, tag="run"):
    """A run began. An empty experiment means the receiver's default; `parent` is the id of another run, or empty."""

    run: str
    name: str
    experiment: str
    experiment_id: str
    parent: str
    tags: dict[str, str]
    resume: bool  # the receiver may have it from an earlier process of the same job


class ResumedLine(_Line, tag="resumed"):
    """A run that began earlier goes on; with `reopen` it is running again."""

    run: str
    reopen: bool
    drift: bool  # params may have other values than before, which is no mistake


class ParamsLine(_Line, tag="params"):
    """Params, each written once in a run."""

    run: str
    values: dict[str, str]


class MetricsLine(_Line, tag="metrics"):
    """Metric points of one step."""

    run: str
    step: int
    values: dict[str, Number]


class TagsLine(_Line, tag="tags"):
    """Tags; null takes a tag away."""

    run: str
    values: dict[str, str | None]


class ArtifactLine(_Line, tag="artifact"):
    """A file was put to `artifacts/<run>/<path>`, unless `stored` is false; it may be one of the files of a `model`."""

    run: str
    path: str
    size: int  # bytes
    stored: bool
    model: str


class LinesChart(msgspec.Struct, tag_field="type", tag="lines"):
    """A chart of named lines: `series` has the x and y values of each; those named in `points` are not connected."""

    title: str
    x: str
    y: str
    series: dict[str, tuple[list[Number], list[Number]]]
    points: list[str]


class HeatmapChart(msgspec.Struct, tag_field="type", tag="heatmap"):
    """A chart of a matrix: `values` has a list for each of `rows`."""

    title: str
    x: str
    y: str
    rows: list[str]
    columns: list[str]
    values: list[list[Number]]


class BarsChart(msgspec.Struct, tag_field="type", tag="bars"):
    """A chart of bars: `values` has a number for each of `names`."""

    title: str
    x: str
    y: str
    names: list[str]
    values: list[Number]


class DrawingLine(_Line, tag="drawing"):
    """A chart as its data; `path` is where its picture would be among the artifacts."""

    run: str
    path: str
    chart: LinesChart | HeatmapChart | BarsChart


class DatasetLine(_Line, tag="dataset"):
    """A dataset that was used in the way of `context`; `source`, `schema` and `profile` are JSON text or empty."""

    run: str
    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str
    context: str


class ModelBegunLine(_Line, tag="model-begun"):
    """A model begins, whose files will lie below `path`; without `params` those of the run are its own."""

    run: str
    model: str  # m- and 32 hex characters
    path: str
    params: dict[str, str]
    tags: dict[str, str]
    model_type: str
    step: int  # of the run, at which it was made


class ModelLine(_Line, tag="model"):
    """The artifacts below `path` are a model; `mlmodel` is its MLmodel file as JSON text, or empty: it failed."""

    run: str
    path: str
    mlmodel: str
    register_as: str
    model: str  # the id under which it began, or empty
    registry: str  # where it is to be registered, if not where the run is


class EndedLine(_Line, tag="ended"):
    """A run is over."""

    run: str
    status: Status


class ExperimentLine(_Line, tag="experiment"):
    """An experiment is to exist."""

    name: str


Line: TypeAlias = (
    RunLine | ResumedLine | ParamsLine | MetricsLine | TagsLine | ArtifactLine | DrawingLine | DatasetLine
    | ModelBegunLine | ModelLine | EndedLine | ExperimentLine
)  # fmt: skip

LINES: dict[type, Any] = {
    RunStarted: RunLine,
    RunResumed: ResumedLine,
    Params: ParamsLine,
    Metrics: MetricsLine,
    Tags: TagsLine,
    Artifact: ArtifactLine,
    Drawing: DrawingLine,
    DatasetUsed: DatasetLine,
    ModelBegun: ModelBegunLine,
    ModelLogged: ModelLine,
    RunEnded: EndedLine,
    ExperimentNamed: ExperimentLine,
    Lines: LinesChart,
    Heatmap: HeatmapChart,
    Bars: BarsChart,
}

encoded = msgspec.json.Encoder().encode


def line_of(record: Record, run: str, **facts: Any) -> Line:
    """Return the line for a record (a `Source` has none: it goes with the tags of runs).

    `run` is the run's id there, `facts` are what the record does not say itself.
    """
    kind = LINES[type(record)]
    said = {name: _plain(getattr(record, name, None)) for name in kind.__struct_fields__ if name != "id"}
    said.update(facts)
    if "run" in said:
        said["run"] = run
    return kind(_identity(record, said), **said)  # type: ignore[no-any-return]


def _identity(record: Record, said: dict[str, Any]) -> str:
    """Return an id that is the same whichever process sends the line, and whenever.

    A run begins once, whatever is known of the repository by then; and whether a file is there changes nothing.
    """
    told = {"run": said["run"]} if isinstance(record, RunStarted) else {**said, "stored": None, "size": None}
    return hashlib.blake2b(encoded([type(record).__name__, told]), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if type(value) in LINES:
        return LINES[type(value)](*(_plain(getattr(value, name)) for name in value.__struct_fields__))
    return value


def schema() -> bytes:
    """Return the content of `events.schema.json`: JSON Schema (2020-12) of one line."""
    described: dict[str, Any] = msgspec.json.schema(Line)
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fitscribe events",
        "description": "One line of a body of type application/x-ndjson. A line whose id was seen before is a repeat.",
    }
    return msgspec.json.format(msgspec.json.encode({**about, **described}), indent=2) + b"\n"
