"""A model is all there: its metrics and its status."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from fitscribe.dialects.batches import Item
from fitscribe.dialects.calls import Calls, Step
from fitscribe.dialects.files import Home
from fitscribe.dialects.logged import Logged
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.registration import Registration
from fitscribe.errors import ServerError
from fitscribe.records import Artifact, ModelLogged

__all__ = ["Finished"]

AT_ONCE = 1000  # metrics in a request


class Finished:
    """What follows the files of the models of one endpoint."""

    def __init__(self, calls: Calls, logged: Logged) -> None:
        """Make no call yet."""
        self.calls, self.logged, self.registration = calls, logged, Registration(calls, logged)
        self._spoiled: set[str] = set()  # ids of ours of models that lack a file
        self._last: dict[str, tuple[Home, set[Item]]] = {}  # by run: the model that came last, and what it was given

    def spoil(self, record: Artifact) -> None:
        """The endpoint did not take a file of a model."""
        self._spoiled.add(record.model)

    def steps(self, parcel: Parcel, record: ModelLogged) -> list[Step]:
        """Return the steps that finish a model, but for its registration."""
        home = self.logged.home(parcel, record.model)
        if not record.mlmodel:
            return [] if home is None else [Step(partial(self._ready, record, home), [record])]
        self.registration.expect(parcel, record)
        if home is None:
            return [Step(partial(self._history, parcel, record), [record])]
        points = [point for point in self.logged.said(parcel).points.values() if point.at <= record.at]
        self._last[parcel.book.theirs(parcel.run)] = home, set(points)
        return [*self._linked(parcel, home, points), Step(partial(self._ready, record, home), [record])]

    def late(self, parcel: Parcel) -> list[Step]:
        """Return the steps that give models of a run, which ends, what was said after they were logged.

        Params go to each of them, metrics to the last.
        """
        theirs = parcel.book.theirs(parcel.run)
        home, given = self._last.pop(theirs, (None, set()))
        late = self.logged.late(parcel)
        if home is None:
            return late
        points = self.logged.said(parcel).points.values()
        return [*late, *self._linked(parcel, home, [point for point in points if point not in given])]

    def _linked(self, parcel: Parcel, home: Home, points: Sequence[Item]) -> list[Step]:
        """Say points again, as those of the model too: that changes nothing in the run."""
        theirs, data = parcel.book.theirs(parcel.run), self.logged.said(parcel).trained_on
        told = [_of_model(point, home, data) for point in points]
        return [
            Step(partial(self._say, {"run_id": theirs, "metrics": told[start : start + AT_ONCE]}), [])
            for start in range(0, len(told), AT_ONCE)
        ]

    def _say(self, body: dict[str, Any]) -> None:
        self.logged.ask("POST", "runs/log-batch", body)

    def _ready(self, record: ModelLogged, home: Home) -> None:
        status = (
            "LOGGED_MODEL_UPLOAD_FAILED"
            if record.model in self._spoiled or not record.mlmodel
            else "LOGGED_MODEL_READY"
        )
        try:
            self.logged.ask("PATCH", f"logged-models/{home.theirs}", {"model_id": home.theirs, "status": status})
        except ServerError as error:
            if error.status != 404:  # else somebody deleted it
                raise

    def _history(self, parcel: Parcel, record: ModelLogged) -> None:
        """Tell of a model in the way of servers that have no logged models."""
        theirs = parcel.book.theirs(parcel.run)
        mlmodel = {**msgspec.json.decode(record.mlmodel), "run_id": theirs, "artifact_path": record.path}
        body = {"run_id": theirs, "model_json": msgspec.json.encode(mlmodel).decode()}
        self.calls.offers("log-model", "models are there as artifacts alone", "runs/log-model", body)


def _of_model(point: Item, home: Home, trained_on: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return a metric point as one of a model; those of autologging were measured on what it was trained on."""
    told = {**point.wire(), "model_id": home.theirs}
    if point.key.startswith("training_") and len(trained_on) == 1:
        told["dataset_name"], told["dataset_digest"] = trained_on[0]
    return told
