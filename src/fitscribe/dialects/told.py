"""What an endpoint was told of runs: enough to say it of their models as well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from fitscribe.dialects.batches import Item
from fitscribe.records import DatasetUsed

__all__ = ["Said", "Told"]

MOST = 1000  # params, and metrics, of a run that are remembered
KEPT = ("mlflow.user", "mlflow.source.")  # tags that say who and what ran
PARENT = "mlflow.parentRunId"


class Said(msgspec.Struct):
    """Of one run: its params, the last point of each metric, who ran it, its parent, and what it was trained on."""

    params: dict[str, str] = {}
    points: dict[str, Item] = {}
    tags: dict[str, str] = {}
    parent: str = ""
    trained_on: list[tuple[str, str]] = []  # name and digest


class Told:
    """The runs of one endpoint, until they end."""

    def __init__(self) -> None:
        """Know of no run yet."""
        self._runs: dict[str, Said] = {}
        self._own: set[str] = set()

    def began(self, theirs: str, tags: Mapping[str, str]) -> None:
        """A run is there now, and has nothing but these tags."""
        self._own.add(theirs)
        self._runs[theirs] = Said(tags=_kept(tags), parent=tags.get(PARENT, ""))

    def created(self, theirs: str) -> bool:
        """True for a run that this process created, so that nobody else can have made anything of it."""
        return theirs in self._own

    def of(self, theirs: str) -> Said | None:
        """Return what was said of a run; None for one of which nothing is known."""
        return self._runs.get(theirs)

    def learn(self, theirs: str, run: Mapping[str, Any]) -> Said:
        """Take what the endpoint knows of a run, from the protocol's `run` object."""
        self._runs[theirs] = found = _read(run)
        return found

    def taken(self, theirs: str, items: Sequence[Item]) -> None:
        """The endpoint took these."""
        said = self._runs.get(theirs)
        if said is None:
            return
        for item in items:
            if item.kind == "params" and len(said.params) < MOST:
                said.params[item.key] = item.value
            elif item.kind == "metrics" and (item.key in said.points or len(said.points) < MOST):
                said.points[item.key] = item

    def used(self, theirs: str, datasets: Iterable[DatasetUsed]) -> None:
        """The endpoint knows these datasets of a run."""
        if said := self._runs.get(theirs):
            found = {(each.name, each.digest) for each in datasets if each.context == "train"}
            said.trained_on += found - set(said.trained_on)

    def forget(self, theirs: str) -> None:
        """The run has ended."""
        self._runs.pop(theirs, None)


def _read(run: Mapping[str, Any]) -> Said:
    data = run.get("data") or {}
    tags = {str(each.get("key")): str(each.get("value", "")) for each in data.get("tags") or []}
    points = [_point(each) for each in (data.get("metrics") or [])[:MOST]]
    inputs = (run.get("inputs") or {}).get("dataset_inputs") or []
    return Said(
        params={str(each.get("key")): str(each.get("value", "")) for each in (data.get("params") or [])[:MOST]},
        points={point.key: point for point in points},
        tags=_kept(tags),
        parent=tags.get(PARENT, ""),
        trained_on=[
            (str(each["dataset"].get("name")), str(each["dataset"].get("digest")))
            for each in inputs
            if {"key": "mlflow.data.context", "value": "train"} in (each.get("tags") or [])
        ],
    )


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.startswith(KEPT)}


def _point(metric: Mapping[str, Any]) -> Item:
    value = float(metric.get("value", 0.0))  # NaN and infinities come as text
    return Item("metrics", str(metric.get("key")), value, int(metric.get("timestamp", 0)), int(metric.get("step", 0)))
