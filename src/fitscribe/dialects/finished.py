"""A model is all there: its metrics, its status, and the version of a registered model that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec

from fitscribe.dialects.answers import content
from fitscribe.dialects.batches import Item
from fitscribe.dialects.calls import MISSING, PREFIX, TAKEN, Calls, Step
from fitscribe.dialects.files import Home
from fitscribe.dialects.logged import Logged
from fitscribe.dialects.parcels import Parcel
from fitscribe.errors import ServerError, TransportError
from fitscribe.records import Artifact, ModelLogged
from fitscribe.transport import Unsent

__all__ = ["Finished"]

KEY = "fitscribe.registration_key"  # a tag of a version: of two with the same value, one would be a repeat
AT_ONCE = 1000  # metrics in a request


class Finished:
    """What follows the files of the models of one endpoint."""

    def __init__(self, calls: Calls, logged: Logged) -> None:
        """Make no call yet."""
        self.calls, self.logged = calls, logged
        self._spoiled: set[str] = set()  # ids of ours of models that lack a file
        self._doubt: set[tuple[str, str]] = set()  # ids of ours, and names under which they may have a version
        self._last: dict[str, tuple[Home, set[Item]]] = {}  # by run: the model that came last, and what it was given

    def spoil(self, record: Artifact) -> None:
        """The endpoint did not take a file of a model."""
        self._spoiled.add(record.model)

    def steps(self, parcel: Parcel, record: ModelLogged) -> list[Step]:
        """Return the steps that finish a model, but for its registration."""
        home = self.logged.home(parcel, record.model)
        if home is None:
            return [Step(partial(self._history, parcel, record), [record])]
        points = [point for point in self.logged.said(parcel).points.values() if point.at <= record.at]
        self._last[parcel.book.theirs(parcel.run)] = home, set(points)
        return [*self._linked(parcel, home, points), Step(partial(self._ready, record, home), [record])]

    def late(self, parcel: Parcel) -> list[Step]:
        """Return the steps that give the last model of a run, which ends, what was measured after it was logged."""
        theirs = parcel.book.theirs(parcel.run)
        home, given = self._last.pop(theirs, (None, set()))
        if home is None:
            return []
        points = self.logged.said(parcel).points.values()
        return self._linked(parcel, home, [point for point in points if point not in given])

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
        status = "LOGGED_MODEL_UPLOAD_FAILED" if record.model in self._spoiled else "LOGGED_MODEL_READY"
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

    def register(self, parcel: Parcel, record: ModelLogged) -> None:
        """Make a version of a registered model, once. `ServerError`: there is no registry, or it takes none."""
        name, key = record.register_as, record.model or f"{record.run}/{record.path}"
        theirs, home = parcel.book.theirs(parcel.run), self.logged.home(parcel, record.model)
        fresh = self.logged.told.created(theirs) and (key, name) not in self._doubt
        if not fresh and self._has(name, key):
            return
        source = f"models:/{home.theirs}" if home else f"{self.logged.runs.home(parcel)[1]}/{record.path}"
        body = {"name": name, "source": source, "run_id": theirs, "tags": [{"key": KEY, "value": key}]}
        if home:
            body["model_id"] = home.theirs
        try:
            self._version(name, body)
        except TransportError as error:
            if not isinstance(error, Unsent):
                self._doubt.add((key, name))
            raise
        except ServerError as error:  # that something is missing is no word on the run
            raise ServerError(error.status, "", f"{name!r} got no version of the model: {error.message}") from None

    def _version(self, name: str, body: dict[str, Any]) -> None:
        """Make a version; a registered model that is not there is made first."""
        try:
            self._sent("model-versions/create", body)
        except ServerError as error:
            if error.code != MISSING:
                raise
            try:
                self._sent("registered-models/create", {"name": name})
            except ServerError as other:
                if other.code not in TAKEN:
                    raise
            self._sent("model-versions/create", body)

    def _sent(self, tail: str, body: dict[str, Any]) -> None:
        answer = self.calls.transport.send("POST", PREFIX + tail, body)
        if answer.status == 403:  # the run may be written by the same credentials
            raise ServerError(403, "PERMISSION_DENIED", "the registry does not permit it")
        content(self.calls.uri, PREFIX + tail, answer)

    def _has(self, name: str, key: str) -> bool:
        """Look for a version that this very model has under a name."""
        quoted = f'"{name}"' if "'" in name else f"'{name}'"
        body = {"filter": f"name = {quoted}", "max_results": 10_000}
        try:
            found = self.logged.ask("GET", "model-versions/search", body).get("model_versions") or []
        except ServerError:
            return False
        return any({"key": KEY, "value": key} in (each.get("tags") or []) for each in found)


def _of_model(point: Item, home: Home, trained_on: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return a metric point as one of a model; those of autologging were measured on what it was trained on."""
    told = {**point.wire(), "model_id": home.theirs}
    if point.key.startswith("training_") and len(trained_on) == 1:
        told["dataset_name"], told["dataset_digest"] = trained_on[0]
    return told
