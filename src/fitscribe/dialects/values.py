"""Params, metrics and tags at an MLflow endpoint: in batches, and one by one to single out what is refused."""

from __future__ import annotations

from functools import partial

from fitscribe.dialects.answers import Absent
from fitscribe.dialects.batches import Batch, Item
from fitscribe.dialects.calls import MISSING, Calls, Step
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.errors import ServerError

__all__ = ["Values"]

ALONE = {"metrics": "runs/log-metric", "params": "runs/log-parameter", "tags": "runs/set-tag"}
SPLIT = (400, 409, 413, 422)  # statuses that speak of something in the batch
STUBBORN = 3  # points of a metric that were refused before no more of it are tried
NOT_TRIED = "earlier points of this metric were refused, so this one was not sent"


class Values:
    """Writes batches to one endpoint, and remembers which metrics it never takes."""

    def __init__(self, calls: Calls, runs: Runs) -> None:
        """Make no call yet."""
        self.calls, self.runs = calls, runs
        self._refusals: dict[str, int] = {}

    def step(self, parcel: Parcel, batch: Batch) -> Step:
        """Return the step that writes a batch."""
        return Step(partial(self._write, parcel, batch), batch)

    def _write(self, parcel: Parcel, batch: Batch) -> list[Step]:
        if self.calls.lacks("log-batch"):
            return self._singles(parcel, batch)
        if self._refusals:
            batch = self._without_stubborn(parcel, batch)
        if not batch.items:
            return []
        try:
            self.calls.ask("POST", "runs/log-batch", batch.body(parcel.book.theirs(parcel.run)))
        except Absent:
            self.calls.note_absent("log-batch", "params, metrics and tags go one by one, which is slower")
            return self._singles(parcel, batch)
        except ServerError as error:
            return self._split(parcel, batch, error)
        self._taken(batch)
        return []

    def _split(self, parcel: Parcel, batch: Batch, error: ServerError) -> list[Step]:
        """Halve a refused batch until what is wrong stands alone; all else of it arrives."""
        if error.status not in SPLIT:
            raise error
        if len(batch.items) > 1:
            if not parcel.examined and self.runs.info(parcel).get("lifecycle_stage") == "deleted":
                raise ServerError(404, MISSING, f"the run is deleted ({error.message})")
            parcel.examined = True
            return [self.step(parcel, half) for half in batch.halves()]
        self._note(batch.items[0])
        raise error

    def _singles(self, parcel: Parcel, batch: Batch) -> list[Step]:
        return [Step(partial(self._single, parcel, item), Batch([item])) for item in batch.items]

    def _single(self, parcel: Parcel, item: Item) -> None:
        self.calls.need("POST", ALONE[item.kind], {"run_id": parcel.book.theirs(parcel.run), **item.wire()})

    def _note(self, item: Item) -> None:
        if item.kind == "metrics":
            self._refusals[item.key] = self._refusals.get(item.key, 0) + 1

    def _taken(self, batch: Batch) -> None:
        for item in batch.items if self._refusals else ():
            self._refusals.pop(item.key, None)

    def _without_stubborn(self, parcel: Parcel, batch: Batch) -> Batch:
        stubborn = {key for key, times in self._refusals.items() if times >= STUBBORN}
        out = [item for item in batch.items if item.kind == "metrics" and item.key in stubborn]
        parcel.refuse((item.record(parcel.run) for item in out), NOT_TRIED)
        return Batch([item for item in batch.items if item not in out]) if out else batch
