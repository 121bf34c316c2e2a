"""Params, metrics and tags at an MLflow endpoint: in batches, and one by one to single out what is refused."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from fitscribe.dialects.answers import Broken, Poison
from fitscribe.dialects.batches import Batch, Item, packed
from fitscribe.dialects.calls import MISSING, Calls, Step
from fitscribe.dialects.kept import PARAMS, TAGS, cut
from fitscribe.dialects.limits import Limits, lengths, room
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.dialects.told import Told
from fitscribe.errors import ServerError
from fitscribe.guard import warn_once
from fitscribe.values import KEY_LIMIT, legal_key, shortened

__all__ = ["Values"]

ALONE = {"metrics": "runs/log-metric", "params": "runs/log-parameter", "tags": "runs/set-tag"}
SPLIT = (400, 409, 413, 422)  # statuses that speak of something in the batch
STUBBORN = 3  # points of a metric that were refused before no more of it are tried
NOT_TRIED = "earlier points of this metric were refused, so this one was not sent"
DRIFT = "fitscribe.drift."
WHOLE = {"params": PARAMS, "tags": TAGS}


class Values:
    """Writes batches to one endpoint, and remembers what it never takes, and how much it takes at once."""

    def __init__(self, calls: Calls, runs: Runs, told: Told) -> None:
        """Make no call yet."""
        self.calls, self.runs, self.told, self.limits = calls, runs, told, Limits()
        self._refusals: dict[str, int] = {}
        self._room: dict[str, int] = {}  # how many params a run may have, where that was learned

    def steps(self, parcel: Parcel, items: Iterable[Item]) -> list[Step]:
        """Return the steps that write these."""
        return [self.step(parcel, batch) for batch in packed(items, self.limits)]

    def step(self, parcel: Parcel, batch: Batch) -> Step:
        """Return the step that writes a batch."""
        return Step(partial(self._write, parcel, batch), batch, otherwise=partial(self._otherwise, parcel, batch))

    def _write(self, parcel: Parcel, batch: Batch) -> list[Step]:
        batch = self._fitted(parcel, batch)
        if not batch.items:
            return []
        body = batch.body(parcel.book.theirs(parcel.run))
        slowly = "params, metrics and tags go one by one, which is slower"
        if not self.calls.offers("log-batch", slowly, "runs/log-batch", body):
            if len(batch.items) > 1:
                return [self.step(parcel, Batch([item])) for item in batch.items]
            self._alone(parcel, batch.items[0])
        self._taken(parcel, batch)
        return []

    def _alone(self, parcel: Parcel, item: Item) -> None:
        self.calls.need("POST", ALONE[item.kind], {"run_id": parcel.book.theirs(parcel.run), **item.wire()})

    def _otherwise(self, parcel: Parcel, batch: Batch, error: ServerError) -> list[Step]:
        """Find out what was wrong with a refused batch, so that all else of it arrives."""
        if error.status not in SPLIT and not isinstance(error, Poison):
            raise error
        batch = self._fitted(parcel, batch)
        if not batch.items:
            return []
        if self.limits.learn_counts(error.message) or (error.status == 413 and self.limits.learn_bytes(batch.weight())):
            smaller = self.steps(parcel, batch.items)
            if len(smaller) > 1:
                return smaller
        if len(batch.items) > 1 or batch.items[0].kind == "params":
            self._examine(parcel, error)
        known = self._drifted(parcel, batch) or self._surplus(parcel, batch, error)
        if known is not None:
            return known
        if len(batch.items) > 1:
            return [self.step(parcel, half) for half in batch.halves()]
        return self._single(parcel, batch.items[0], error)

    def _examine(self, parcel: Parcel, error: ServerError) -> None:
        """Learn, once, whether the run can be written to at all, and which params it has."""
        if parcel.params is not None:
            return
        run = self.runs.get(parcel)
        if run.get("info", {}).get("lifecycle_stage") == "deleted":
            raise ServerError(404, MISSING, f"the run is deleted ({error.message})")
        told = run.get("data", {}).get("params") or []
        parcel.params = {str(param.get("key")): str(param.get("value", "")) for param in told}

    def _drifted(self, parcel: Parcel, batch: Batch) -> list[Step] | None:
        """In a run that was resumed, a param with another value is no mistake: it becomes a tag."""
        there = parcel.params or {}
        changed = [item for item in batch.items if _changed(item, there)]
        if not changed or not parcel.address.resumed:
            return None
        self.calls.once("params of a run that goes on have other values now; they are in its tags %s*", DRIFT)
        tags = [Item("tags", shortened(DRIFT + item.key, KEY_LIMIT), item.value, item.at) for item in changed]
        return self.steps(parcel, [*(item for item in batch.items if item not in changed), *tags])

    def _surplus(self, parcel: Parcel, batch: Batch, error: ServerError) -> list[Step] | None:
        """Where the server takes so many params a run and no more, keep what is beyond in an artifact."""
        there = parcel.params or {}
        new = [item for item in batch.items if item.kind == "params" and item.key not in there]
        if not new or any(_changed(item, there) for item in batch.items):
            return None
        free = room(error.message, len(there))
        if free is None or free >= len(new):
            return None
        self._room[parcel.book.theirs(parcel.run)] = max(0, free) + len(there)
        return self.steps(parcel, self._without_surplus(parcel, batch).items)

    def _single(self, parcel: Parcel, item: Item, error: ServerError) -> list[Step]:
        if item.kind == "metrics":
            self._refusals[item.key] = self._refusals.get(item.key, 0) + 1
            raise error
        there = (parcel.params or {}).get(item.key) if item.kind == "params" else None
        if there is not None:
            if not cut(there, item.value):
                raise error
            self._keep_whole(parcel, item)
            return []
        if legal_key(item.key) == item.key:
            return self._cut(parcel, item, error)
        raise error

    def _cut(self, parcel: Parcel, item: Item, error: ServerError) -> list[Step]:
        """Try whether a value was too long, and remember the length that was taken."""
        for length in lengths(item.kind, item.value, error.message):
            short = item._replace(value=shortened(item.value, length))
            try:
                self._write(parcel, Batch([short]))
            except ServerError as again:
                if again.status not in SPLIT:
                    raise
            except Broken:
                if not isinstance(error, Poison):
                    raise
            else:
                self.limits.learn_longest(item.kind, length)
                self._keep_whole(parcel, item)
                return []
        raise error

    def _keep_whole(self, parcel: Parcel, item: Item) -> None:
        path = WHOLE[item.kind]
        warn_once("%s takes shorter %s; long ones are cut there, and whole in the artifact %s",
                  self.calls.uri, item.kind, path)  # fmt: skip
        parcel.keep(path, {item.key: item.value}, item.record(parcel.run))

    def _fitted(self, parcel: Parcel, batch: Batch) -> Batch:
        """Leave out, or cut, what the endpoint is known not to take."""
        if parcel.book.theirs(parcel.run) in self._room and any(item.kind == "params" for item in batch.items):
            batch = self._without_surplus(parcel, batch)
        if any(self._long(item) for item in batch.items):
            batch = Batch([self._shortened(parcel, item) if self._long(item) else item for item in batch.items])
        return self._without_stubborn(parcel, batch) if self._refusals else batch

    def _long(self, item: Item) -> bool:
        return item.kind != "metrics" and len(item.value) > self.limits.longest(item.kind)

    def _shortened(self, parcel: Parcel, item: Item) -> Item:
        self._keep_whole(parcel, item)
        return item._replace(value=shortened(item.value, self.limits.longest(item.kind)))

    def _without_surplus(self, parcel: Parcel, batch: Batch) -> Batch:
        self._examine(parcel, ServerError(400, "", "it takes no more params"))
        there = parcel.params or {}
        new = [item for item in batch.items if item.kind == "params" and item.key not in there]
        beyond = new[max(0, self._room[parcel.book.theirs(parcel.run)] - len(there)) :]
        for item in beyond:
            warn_once("%s takes no more params for a run; what is beyond is in the artifact %s", self.calls.uri, PARAMS)
            parcel.keep(PARAMS, {item.key: item.value}, item.record(parcel.run))
        return Batch([item for item in batch.items if item not in beyond])

    def _taken(self, parcel: Parcel, batch: Batch) -> None:
        self.told.taken(parcel.book.theirs(parcel.run), batch.items)
        for item in batch.items if self._refusals else ():
            self._refusals.pop(item.key, None)
        if parcel.params is not None:
            parcel.params.update({item.key: item.value for item in batch.items if item.kind == "params"})

    def _without_stubborn(self, parcel: Parcel, batch: Batch) -> Batch:
        stubborn = {key for key, times in self._refusals.items() if times >= STUBBORN}
        out = [item for item in batch.items if item.kind == "metrics" and item.key in stubborn]
        parcel.refuse((item.record(parcel.run) for item in out), NOT_TRIED)
        return Batch([item for item in batch.items if item not in out]) if out else batch


def _changed(item: Item, there: dict[str, str]) -> bool:
    """True for a param that has another value at the endpoint, not just more of it."""
    return item.kind == "params" and item.key in there and not cut(there[item.key], item.value)
