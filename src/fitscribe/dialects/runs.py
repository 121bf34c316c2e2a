"""Runs at an MLflow endpoint: created exactly once, found again, reopened and ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from fitscribe.dialects.answers import Awaited
from fitscribe.dialects.batches import Item
from fitscribe.dialects.calls import Calls
from fitscribe.dialects.ghosts import KEY, Ghosts
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.told import Told
from fitscribe.errors import ServerError, TransportError
from fitscribe.records import RunStarted
from fitscribe.transport import Unsent

__all__ = ["KEY", "LAST_RUNG", "Runs"]

PATIENCE = 60.0  # seconds to wait for a run that another process creates
LAST_RUNG = 2  # see `Runs.create`
PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"


_turns: list[threading.Lock] = []


def _renew() -> None:
    """Make the locks anew: a fork may copy one that is held."""
    _turns[:] = [threading.Lock() for _ in range(64)]


_renew()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def _turn(run: str) -> threading.Lock:
    """Return the lock of a run, shared with few others: to look for it and to create it is one step in a process."""
    return _turns[hash(run) % len(_turns)]


class Runs:
    """The runs of one endpoint; `home` knows of each where its artifacts go."""

    def __init__(self, calls: Calls, told: Told) -> None:
        """Make no call yet."""
        self.calls, self.told = calls, told
        self.ghosts = Ghosts(calls)
        self._homes: dict[str, tuple[str, str]] = {}

    def create(self, parcel: Parcel, started: RunStarted, tags: Mapping[str, str], rung: int = 0) -> list[Item]:
        """Create the run with its tags; return those that are to be set afterwards.

        On rung 0 all tags go with it, on rung 1 those that place it, on rung 2 its key alone. After an unclear
        outcome the run is looked for by its key first: each create would make another one.
        """
        unsure = started.resume or parcel.address.doubt
        with _turn(started.run) if unsure else nullcontext():  # what was left of it may be on its way as well
            return self._create(parcel, started, {**started.tags, **tags}, rung)

    def _create(self, parcel: Parcel, started: RunStarted, said: Mapping[str, str], rung: int) -> list[Item]:
        address = parcel.address
        experiment = self.calls.experiment(started.experiment, started.experiment_id)
        if address.theirs and not self.calls.local:  # the journal of a process that is gone says that it is there
            found = self.info(parcel) if started.resume else {}
            return self._reopened(parcel, started, found, said) if found else _items(said, started.at)
        if address.doubt and (found := self.ghosts.seek(started.run, experiment)):
            self._learn(parcel, found)
            if started.resume:
                return self._reopened(parcel, started, found, said)
            return _items(said, started.at)  # it may have been created with fewer: before a crash, or on a lower rung
        placing = self._placing(parcel, started, experiment)
        given = [{**said, **placing}, placing, {}][rung] | {KEY: started.run}
        info = self._created(parcel, _body(started, experiment, given), experiment)
        self._learn(parcel, info)
        if not (started.resume or address.doubt):
            self.told.began(str(info["run_id"]), {**said, **placing})
        if started.resume and self.calls.local:
            return self._reopened(parcel, started, info, said)
        return _items({key: value for key, value in {**said, **placing}.items() if key not in given}, started.at)

    def find(self, parcel: Parcel) -> None:
        """Learn what the endpoint calls a run that this process did not create.

        `TransportError`: it is not there yet; `ServerError`: nor will it be.
        """
        address = parcel.address
        experiment = self.calls.experiment(address.experiment, address.experiment_id)
        found = self.ghosts.seek(parcel.run, experiment)
        if found:
            self._learn(parcel, found)
        else:
            raise self.missing(parcel)

    def missing(self, parcel: Parcel) -> TransportError | ServerError:
        """Return the error for a run that is not there: another process may be about to create it."""
        words = f"the run {parcel.book.theirs(parcel.run) or parcel.run} is not there"
        if parcel.address.foreign and time.monotonic() - parcel.since < PATIENCE:
            return Awaited(f"{self.calls.uri}: {words} yet")
        return ServerError(404, "RESOURCE_DOES_NOT_EXIST", words)

    def update(self, parcel: Parcel, **fields: Any) -> None:
        """Set status or end time."""
        theirs = parcel.book.theirs(parcel.run)
        self.calls.need("POST", "runs/update", {"run_id": theirs, **fields})
        if fields["status"] != "RUNNING":
            self._homes.pop(theirs, None)
            self.told.forget(theirs)

    def reopen(self, parcel: Parcel, at: int, found: Mapping[str, Any] | None = None) -> None:
        """Set the run RUNNING that was taken up `at` that time (milliseconds); one that ended later stays ended."""
        there = self.info(parcel) if found is None else found
        if there.get("status") != "RUNNING" and int(there.get("end_time") or 0) <= at:
            self.update(parcel, status="RUNNING")

    def home(self, parcel: Parcel) -> tuple[str, str]:
        """Return experiment id and artifact URI of the run."""
        theirs = parcel.book.theirs(parcel.run)
        if theirs not in self._homes:
            self._keep(self.info(parcel))
        return self._homes[theirs]

    def get(self, parcel: Parcel) -> dict[str, Any]:
        """Return the run as the endpoint has it, with its info and data."""
        theirs = parcel.book.theirs(parcel.run)
        return dict(self.calls.need("GET", "runs/get", {"run_id": theirs}).get("run", {}))

    def is_over(self, parcel: Parcel) -> bool:
        """True when the run has ended there already, in whatever way."""
        return self.info(parcel).get("status", "RUNNING") not in ("RUNNING", "SCHEDULED")

    def info(self, parcel: Parcel) -> dict[str, Any]:
        """Return what the endpoint says of the run."""
        return {"run_id": parcel.book.theirs(parcel.run), **self.get(parcel).get("info", {})}

    def _created(self, parcel: Parcel, body: dict[str, Any], experiment: str) -> dict[str, Any]:
        address = parcel.address
        try:
            run = self.calls.need("POST", "runs/create", body)["run"]
            info = dict(run["info"])
        except KeyError:
            address.doubt = True
            raise TransportError(f"{self.calls.uri} answered runs/create without a run", wait=10) from None
        except TransportError as error:
            address.doubt = address.doubt or not isinstance(error, Unsent)
            raise
        told = {tag.get("key"): tag.get("value") for tag in run.get("data", {}).get("tags") or []}
        if told.get(KEY, parcel.run) != parcel.run:
            address.doubt = True
            raise TransportError(f"{self.calls.uri} answered runs/create with another run than the one that began")
        if told and KEY not in told:  # an answer to somebody else's request, or of a server that keeps no such tags
            return self.ghosts.seek(parcel.run, experiment) or info
        return info

    def _reopened(
        self, parcel: Parcel, started: RunStarted, found: Mapping[str, Any], tags: Mapping[str, str]
    ) -> list[Item]:
        """Let a run go on that an earlier process began."""
        self.reopen(parcel, started.at, found)
        return _items(tags, started.at)

    def _placing(self, parcel: Parcel, started: RunStarted, experiment: str) -> dict[str, str]:
        tags = {}
        if started.name:
            tags[NAME] = started.name
        if started.parent and (parent := self._parent(parcel, started.parent, experiment)):
            tags[PARENT] = parent
        return tags

    def _parent(self, parcel: Parcel, parent: str, experiment: str) -> str:
        """Return what the endpoint calls the parent; one that is unknown to us may be named in its words."""
        address = parcel.book.get(parent)
        if self.calls.local or (address and address.theirs):
            return address.theirs if address and address.theirs else parent
        found = self.ghosts.seek(parent, experiment)
        if found or not address:
            return str(found.get("run_id") or parent)
        if address.foreign and time.monotonic() - parcel.since < PATIENCE:
            raise Awaited(f"{self.calls.uri}: the parent run {parent} is not there yet")
        return ""

    def _learn(self, parcel: Parcel, info: dict[str, Any]) -> None:
        self._keep(info)
        self.ghosts.born(str(info["run_id"]), str(info.get("experiment_id", "")))
        parcel.book.learn(parcel.run, str(info["run_id"]))

    def _keep(self, info: dict[str, Any]) -> None:
        self._homes[info["run_id"]] = (str(info.get("experiment_id", "")), str(info.get("artifact_uri", "")))


def _items(tags: Mapping[str, str], at: int) -> list[Item]:
    return [Item("tags", key, value, at) for key, value in tags.items()]


def _body(started: RunStarted, experiment: str, tags: Mapping[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "experiment_id": experiment,
        "start_time": started.at,
        "tags": [{"key": key, "value": value} for key, value in tags.items()],
    }
    if name := tags.get(NAME):
        body["run_name"] = name
    if user := tags.get("mlflow.user"):
        body["user_id"] = user
    return body
