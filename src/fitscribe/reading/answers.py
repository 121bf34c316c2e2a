"""The protocol's JSON, read into entities: leniently, since every server leaves out or renames a little."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from fitscribe.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    FileInfo,
    InputTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    PagedList,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
)
from fitscribe.entities.enumerations import RunStatus

__all__ = ["experiment", "file_info", "items", "logged_model", "metric", "page", "run", "run_info", "text"]

T = TypeVar("T")


def run(answer: Any) -> Run:
    """Return a run from the protocol's `run` object; what is missing in it is empty."""
    data = _dict(answer, "data")
    tags = _pairs(data, "tags")
    return Run(
        run_info(_dict(answer, "info"), tags),
        RunData({text(m, "key"): _value(m) for m in items(data, "metrics")}, _pairs(data, "params"), tags),
        _inputs(_dict(answer, "inputs")),
        RunOutputs(
            [
                LoggedModelOutput(text(m, "model_id"), whole(m, "step") or 0)
                for m in items(_dict(answer, "outputs"), "model_outputs")
            ]
        ),
    )


def run_info(info: Any, tags: dict[str, str] | None = None) -> RunInfo:
    """Return a run's info; a server without run names may have the name in a tag."""
    return RunInfo(
        run_id=text(info, "run_id") or text(info, "run_uuid"),
        experiment_id=text(info, "experiment_id"),
        user_id=text(info, "user_id"),
        status=_status(info.get("status")),
        start_time=whole(info, "start_time") or 0,
        end_time=whole(info, "end_time") or None,
        lifecycle_stage=text(info, "lifecycle_stage") or "active",
        artifact_uri=text(info, "artifact_uri"),
        run_name=text(info, "run_name") or (tags or {}).get("mlflow.runName", ""),
    )


def _status(value: Any) -> str:
    if str(value).isdigit() and int(value) in RunStatus.all_status():
        return RunStatus.to_string(int(value))
    return str(value or "RUNNING")


def _inputs(answer: dict[str, Any]) -> RunInputs:
    return RunInputs(
        [_dataset_input(one) for one in items(answer, "dataset_inputs")],
        [LoggedModelInput(text(one, "model_id")) for one in items(answer, "model_inputs")],
    )


def _dataset_input(answer: dict[str, Any]) -> DatasetInput:
    dataset = _dict(answer, "dataset")
    return DatasetInput(
        Dataset(
            text(dataset, "name"),
            text(dataset, "digest"),
            text(dataset, "source_type"),
            text(dataset, "source"),
            text(dataset, "schema") or None,
            text(dataset, "profile") or None,
        ),
        [InputTag(text(tag, "key"), text(tag, "value")) for tag in items(answer, "tags")],
    )


def experiment(answer: Any) -> Experiment:
    """Return an experiment from the protocol's `experiment` object."""
    return Experiment(
        experiment_id=text(answer, "experiment_id"),
        name=text(answer, "name"),
        artifact_location=text(answer, "artifact_location"),
        lifecycle_stage=text(answer, "lifecycle_stage") or "active",
        tags=_pairs(answer, "tags"),
        creation_time=whole(answer, "creation_time") or None,
        last_update_time=whole(answer, "last_update_time") or None,
        workspace=text(answer, "workspace") or "default",
    )


def metric(answer: Any) -> Metric:
    """Return a metric point; NaN and infinities come as text."""
    return Metric(
        text(answer, "key"),
        _value(answer),
        whole(answer, "timestamp") or 0,
        whole(answer, "step") or 0,
        **{name: answer.get(name) or None for name in ("model_id", "dataset_name", "dataset_digest", "run_id")},
    )


def logged_model(answer: Any) -> LoggedModel:
    """Return a logged model from the protocol's `model` object."""
    info, data = _dict(answer, "info"), _dict(answer, "data")
    return LoggedModel(
        model_id=text(info, "model_id"),
        name=text(info, "name"),
        experiment_id=text(info, "experiment_id"),
        artifact_location=text(info, "artifact_uri"),
        creation_timestamp=whole(info, "creation_timestamp_ms") or 0,
        last_updated_timestamp=whole(info, "last_updated_timestamp_ms") or 0,
        model_type=text(info, "model_type"),
        source_run_id=text(info, "source_run_id"),
        status=_model_status(info.get("status")),
        status_message=text(info, "status_message"),
        tags=_pairs(info, "tags"),
        params=_pairs(data, "params"),
        metrics=[metric(one) for one in items(data, "metrics")],
    )


def _model_status(value: Any) -> LoggedModelStatus:
    names = list(LoggedModelStatus)
    if str(value).isdigit() and int(value) < len(names):
        return names[int(value)]
    word = str(value or "").upper().removeprefix("LOGGED_MODEL_")
    return LoggedModelStatus(word) if word in list(LoggedModelStatus) else LoggedModelStatus.UNSPECIFIED


def file_info(answer: Any) -> FileInfo:
    """Return a listed file; the protocol leaves the size out where it is 0."""
    is_dir = answer.get("is_dir") in (True, "true")
    return FileInfo(text(answer, "path"), is_dir, None if is_dir else whole(answer, "file_size") or 0)


def page(answer: Any, field: str, read: Callable[[Any], T]) -> PagedList[T]:
    """Return one page of a search; an empty answer is an empty last page."""
    return PagedList([read(one) for one in items(answer, field)], text(answer, "next_page_token") or None)


def items(answer: Any, field: str) -> list[dict[str, Any]]:
    """Return the objects of a list; a list that is missing or null is empty."""
    found = answer.get(field) if isinstance(answer, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def text(answer: Any, field: str) -> str:
    """Return a field as text; "" where it is missing."""
    value = answer.get(field) if isinstance(answer, dict) else None
    return "" if value is None else str(value)


def whole(answer: dict[str, Any], field: str) -> int | None:
    """Return a field as a whole number (int64 may come as text); None where it is missing or no number."""
    value = real(answer.get(field))
    if isinstance(answer.get(field), str) and answer[field].lstrip("-").isdigit():
        return int(answer[field])  # beyond 2**53 a float would lose digits
    return None if not math.isfinite(value) else int(answer[field] if isinstance(answer[field], int) else value)


def real(value: Any) -> float:
    """Return a number or the text of one, "NaN" and "Infinity" among them; NaN where it is neither."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _value(metric: dict[str, Any]) -> float:
    """Return a metric's value; a server that leaves defaults out of its JSON leaves out 0."""
    return real(metric.get("value", 0.0))


def _pairs(answer: Any, field: str) -> dict[str, str]:
    return {text(one, "key"): text(one, "value") for one in items(answer, field)}


def _dict(answer: Any, field: str) -> dict[str, Any]:
    found = answer.get(field) if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else {}
