"""Runs at an MLflow endpoint: created exactly once, found again, reopened and ended."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from fitscribe.dialects.batches import Batch, Item
from fitscribe.dialects.calls import Calls
from fitscribe.dialects.parcels import Parcel
from fitscribe.errors import ServerError, TransportError
from fitscribe.records import RunStarted
from fitscribe.transport import Unsent

__all__ = ["KEY", "Runs"]

KEY = "fitscribe.run_key"
PATIENCE = 60.0  # seconds to wait for a run that another process creates


class Runs:
    """The runs of one endpoint; `home` knows of each where its artifacts go."""

    def __init__(self, calls: Calls) -> None:
        """Make no call yet."""
        self.calls = calls
        self._homes: dict[str, tuple[str, str]] = {}

    def create(self, parcel: Parcel, started: RunStarted, tags: Mapping[str, str]) -> Batch:
        """Create the run with all its tags; return those that the endpoint did not take at once.

        After an unclear outcome the run is looked for by its key first: each create would make another one.
        """
        address = parcel.address
        experiment = self.calls.experiment(started.experiment, started.experiment_id)
        if address.doubt and (found := self._seek(started.run, experiment)):
            self._learn(parcel, found)
            return Batch([])
        vital = self._vital(parcel, started, experiment)
        body = _body(started, experiment, {**started.tags, **tags, **vital})
        try:
            self._learn(parcel, self._created(parcel, body))
        except ServerError as error:
            if error.status != 400:
                raise
            body = _body(started, experiment, vital)
            self._learn(parcel, self._created(parcel, body))
            return Batch([Item("tags", key, value, started.at) for key, value in {**started.tags, **tags}.items()])
        return Batch([])

    def find(self, parcel: Parcel) -> None:
        """Learn what the endpoint calls a run that this process did not create.

        `TransportError`: it is not there yet; `ServerError`: nor will it be.
        """
        address = parcel.address
        experiment = self.calls.experiment(address.experiment, address.experiment_id)
        found = self._seek(parcel.run, experiment)
        if found:
            self._learn(parcel, found)
        else:
            raise self.missing(parcel)

    def missing(self, parcel: Parcel) -> TransportError | ServerError:
        """Return the error for a run that is not there: another process may be about to create it."""
        words = f"the run {parcel.book.theirs(parcel.run) or parcel.run} is not there"
        if parcel.address.foreign and time.monotonic() - parcel.since < PATIENCE:
            return TransportError(f"{self.calls.uri}: {words} yet")
        return ServerError(404, "RESOURCE_DOES_NOT_EXIST", words)

    def update(self, parcel: Parcel, **fields: Any) -> None:
        """Set status or end time."""
        theirs = parcel.book.theirs(parcel.run)
        self.calls.need("POST", "runs/update", {"run_id": theirs, **fields})
        if fields["status"] != "RUNNING":
            self._homes.pop(theirs, None)

    def home(self, parcel: Parcel) -> tuple[str, str]:
        """Return experiment id and artifact URI of the run."""
        theirs = parcel.book.theirs(parcel.run)
        if theirs not in self._homes:
            self._keep(self.info(parcel))
        return self._homes[theirs]

    def info(self, parcel: Parcel) -> dict[str, Any]:
        """Return what the endpoint says of the run."""
        theirs = parcel.book.theirs(parcel.run)
        found = self.calls.need("GET", "runs/get", {"run_id": theirs}).get("run", {}).get("info", {})
        return {"run_id": theirs, **found}

    def _created(self, parcel: Parcel, body: dict[str, Any]) -> dict[str, Any]:
        address = parcel.address
        try:
            answer = self.calls.need("POST", "runs/create", body)
            return dict(answer["run"]["info"])
        except KeyError:
            address.doubt = True
            raise TransportError(f"{self.calls.uri} answered runs/create without a run", wait=10) from None
        except TransportError as error:
            address.doubt = address.doubt or not isinstance(error, Unsent)
            raise

    def _vital(self, parcel: Parcel, started: RunStarted, experiment: str) -> dict[str, str]:
        tags = {KEY: started.run}
        if started.name:
            tags["mlflow.runName"] = started.name
        if started.parent and (parent := self._parent(parcel, started.parent, experiment)):
            tags["mlflow.parentRunId"] = parent
        return tags

    def _parent(self, parcel: Parcel, parent: str, experiment: str) -> str:
        """Return what the endpoint calls the parent; one that is unknown to us may be named in its words."""
        address = parcel.book.get(parent)
        if self.calls.local or (address and address.theirs):
            return address.theirs if address and address.theirs else parent
        found = self._seek(parent, experiment)
        if found or not address:
            return str(found.get("run_id") or parent)
        if address.foreign and time.monotonic() - parcel.since < PATIENCE:
            raise TransportError(f"{self.calls.uri}: the parent run {parent} is not there yet")
        return ""

    def _seek(self, run: str, experiment: str) -> dict[str, Any]:
        if self.calls.local:  # creating twice is creating once there
            return {}
        question = {"experiment_ids": [experiment], "filter": f"tags.`{KEY}` = '{run}'", "max_results": 1}
        found = self.calls.need("POST", "runs/search", question).get("runs") or [{}]
        return dict(found[0].get("info", {}))

    def _learn(self, parcel: Parcel, info: dict[str, Any]) -> None:
        self._keep(info)
        parcel.book.learn(parcel.run, str(info["run_id"]))

    def _keep(self, info: dict[str, Any]) -> None:
        self._homes[info["run_id"]] = (str(info.get("experiment_id", "")), str(info.get("artifact_uri", "")))


def _body(started: RunStarted, experiment: str, tags: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "experiment_id": experiment,
        "start_time": started.at,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    if name := tags.get("mlflow.runName"):
        body["run_name"] = name
    if user := tags.get("mlflow.user"):
        body["user_id"] = user
    return body
