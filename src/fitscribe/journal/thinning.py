"""Thinning: fewer points of a metric where there is no room for all, never without its first and its last."""

from __future__ import annotations

import msgspec

from fitscribe.records import Metrics

__all__ = ["Thinning"]


class Thinning:
    """Counts the points of each metric of each run from the moment that thinning begins."""

    def __init__(self) -> None:
        """Begin with everything kept."""
        self.dropped = 0  # points
        self._counts: dict[str, dict[str, int]] = {}
        self._held: dict[str, dict[str, Metrics]] = {}  # the newest point that was not written, by run and key

    def thinned(self, record: Metrics, level: int) -> list[Metrics]:
        """Keep one point in `2 ** level` of each metric, the first among them."""
        counts = self._counts.setdefault(record.run, {})
        held = self._held.setdefault(record.run, {})
        every = 1 << level
        kept: dict[str, float] = {}
        for key, value in record.values.items():
            count = counts.get(key, 0)
            counts[key] = count + 1
            if count % every == 0:
                kept[key] = value
                if held.pop(key, None):
                    self.dropped += 1
            else:
                self.dropped += key in held
                held[key] = record
        if len(kept) == len(record.values):
            return [record]
        return [msgspec.structs.replace(record, values=kept)] if kept else []

    def last(self, run: str) -> list[Metrics]:
        """Return the points that were held back last; the run ends."""
        self._counts.pop(run, None)
        together: dict[int, tuple[Metrics, dict[str, float]]] = {}
        for key, record in self._held.pop(run, {}).items():
            together.setdefault(id(record), (record, {}))[1][key] = record.values[key]
        return [msgspec.structs.replace(record, values=values) for record, values in together.values()]
