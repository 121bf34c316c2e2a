"""Rows of the database in the JSON shapes of the protocol."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Row, Select, select

from fitscribe.store import places
from fitscribe.store.tables import experiments, runs

__all__ = ["RUN", "STATUSES", "experiment_shape", "number", "pairs", "run_info"]

STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
"""Of a run, in the order of the protocol's numbers from 1."""

RUN: Select[Any] = select(runs, experiments.c.artifact_location).join_from(runs, experiments)
"""Everything that `run_info` needs."""


def experiment_shape(home: Path, row: Row[Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return an experiment from its row; `home` is the store's own folder of artifacts."""
    shape = {
        "experiment_id": str(row.id),
        "name": row.name,
        "artifact_location": places.experiment_uri(home, row.id, row.artifact_location),
        "lifecycle_stage": row.lifecycle_stage,
        "creation_time": row.creation_time,
        "last_update_time": row.last_update_time,
    }
    return {**shape, "tags": pairs(tags.items())} if tags else shape


def run_info(home: Path, row: Row[Any]) -> dict[str, Any]:
    """Return a run's info from a row of `RUN`; a run without an end has no `end_time`."""
    info = {
        "run_id": row.run_id,
        "run_uuid": row.run_id,
        "run_name": row.name,
        "experiment_id": str(row.experiment),
        "user_id": row.user_id,
        "status": row.status,
        "start_time": row.start_time,
        "artifact_uri": places.run_uri(home, row.experiment, row.artifact_location, row.run_id),
        "lifecycle_stage": row.lifecycle_stage,
    }
    return {**info, "end_time": row.end_time} if row.end_time else info


def pairs(items: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return params or tags."""
    return [{"key": key, "value": value} for key, value in items]


def number(value: float, is_nan: bool) -> float | str:
    """Return a metric's value; what is not finite is text, since JSON has no such numbers."""
    if is_nan:
        return "NaN"
    if math.isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"
