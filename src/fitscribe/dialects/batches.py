"""Batches: the params, metrics and tags of one run, packed into as few requests as the protocol allows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from fitscribe.dialects.limits import Kind, Limits
from fitscribe.records import Metrics, Params, Record, Tags

__all__ = ["Batch", "Item", "items", "packed"]

AROUND = 100  # bytes of JSON around a key and a value
INT64 = 2**63


class Item(NamedTuple):
    """One param, metric point or tag."""

    kind: Kind
    key: str
    value: Any
    at: int
    step: int = 0

    def wire(self) -> dict[str, Any]:
        """Return the item as the protocol writes it.

        A bare NaN token, or one spelled otherwise, is stored as 0.0 at time 0 by servers that answer 200.
        """
        if self.kind != "metrics":
            return {"key": self.key, "value": self.value}
        value = self.value
        if not math.isfinite(value):
            value = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return {"key": self.key, "value": value, "timestamp": self.at, "step": self.step}

    def record(self, run: str) -> Record:
        """Return a record that says this item alone."""
        if self.kind == "params":
            return Params(run, self.at, {self.key: self.value})
        if self.kind == "tags":
            return Tags(run, self.at, {self.key: self.value})
        return Metrics(run, self.at, self.step, {self.key: self.value})

    def weight(self) -> int:
        """Return about how many bytes of JSON it takes, at most."""
        if self.kind == "metrics":
            return AROUND + 4 * len(self.key)
        return AROUND + 4 * len(self.key) + len(msgspec.json.encode(self.value))


class Batch(NamedTuple):
    """What goes in one log-batch request."""

    items: Sequence[Item]

    def body(self, theirs: str) -> dict[str, Any]:
        """Return the request's body."""
        body: dict[str, Any] = {"run_id": theirs}
        for item in self.items:
            body.setdefault(item.kind, []).append(item.wire())
        return body

    def weight(self) -> int:
        """Return about how many bytes of JSON it takes, at most."""
        return sum(item.weight() for item in self.items)

    def keys(self) -> list[tuple[Kind, str]]:
        """Return the different keys, in order."""
        return list(dict.fromkeys((item.kind, item.key) for item in self.items))

    def halves(self) -> list[Batch]:
        """Split between keys, or within the only key: what is wrong with an item is its key more often than not."""
        keys = self.keys()
        if len(keys) == 1:
            middle = len(self.items) // 2
            return [Batch(self.items[:middle]), Batch(self.items[middle:])]
        first = set(keys[: len(keys) // 2])
        return [
            Batch([item for item in self.items if (item.kind, item.key) in first]),
            Batch([item for item in self.items if (item.kind, item.key) not in first]),
        ]


def items(records: Iterable[Record]) -> Iterator[Item]:
    """Take records apart into items; a tag that is taken away is none."""
    for record in records:
        match record:
            case Metrics(at=at, step=step, values=values):
                for key, value in values.items():
                    yield Item("metrics", key, value, at, step)
            case Params(at=at, values=params):
                for key, text in params.items():
                    yield Item("params", key, text, at)
            case Tags(at=at, values=tags):
                for key, tag in tags.items():
                    if tag is not None:
                        yield Item("tags", key, tag, at)


def packed(given: Iterable[Item], limits: Limits | None = None) -> list[Batch]:
    """Pack items: a param said twice goes once, the last value of a tag wins, metric points keep their order.

    A param with a second value goes in a batch of its own, which the endpoint will refuse in its own words.
    """
    params: dict[str, Item] = {}
    tags: dict[str, Item] = {}
    metrics: list[Item] = []
    conflicts: list[Item] = []
    for item in given:
        if item.kind == "metrics":
            metrics.append(item)
        elif item.kind == "tags":
            tags[item.key] = item
        elif params.setdefault(item.key, item).value != item.value:
            conflicts.append(item)
    told = [*params.values(), *tags.values(), *metrics]
    return [*_filled(told, limits or Limits()), *(Batch([item]) for item in conflicts)]


def _filled(given: list[Item], limits: Limits) -> Iterator[Batch]:
    """Fill one batch after the other, each with as much of each kind as fits."""
    while given:
        room: dict[Kind, int] = dict(limits.counts)
        batch: list[Item] = []
        left: list[Item] = []
        weight = 0
        for place, item in enumerate(given):
            if len(batch) == limits.in_all or ((weight := weight + item.weight()) > limits.bytes and batch):
                left.extend(given[place:])
                break
            room[item.kind] -= 1
            (batch if room[item.kind] >= 0 else left).append(item)
        yield Batch(batch)
        given = left
