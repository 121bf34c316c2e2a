"""Calls to one endpoint in MLflow's protocol, and what is known of it: what it lacks, which experiments it has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fitscribe.config import directory_of, without_credentials
from fitscribe.dialects.answers import Absent, content
from fitscribe.dialects.batches import Batch
from fitscribe.errors import ServerError, TransportError
from fitscribe.guard import inform
from fitscribe.records import Record
from fitscribe.transport import Transport

__all__ = ["MISSING", "PREFIX", "TAKEN", "Calls", "Step"]

MISSING = "RESOURCE_DOES_NOT_EXIST"
TAKEN = ("RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS")
PREFIX = "/api/2.0/mlflow/"
PAGES = 3  # web pages that may come in a row from a proxy, and not from the server


class Step(NamedTuple):
    """One thing to do for a parcel: a call that may return steps to do next, and what it says."""

    do: Callable[[], list[Step] | None]
    says: Sequence[Record] | Batch
    vital: bool = False  # without it nothing else of the run can be written
    otherwise: Callable[[ServerError], list[Step]] | None = None  # what to do instead when it is refused; may raise
    upload: bool = False  # it is a file's, not a value's
    suspect: bool = False  # it is part of what the endpoint broke down on

    def records(self, run: str) -> list[Record]:
        """Return what is lost with this step."""
        if isinstance(self.says, Batch):
            return [item.record(run) for item in self.says.items]
        return list(self.says)


class Calls:
    """One endpoint: `need` for calls that every tracking server has, `ask` for those that it may lack."""

    def __init__(self, transport: Transport, uri: str) -> None:
        """`uri` is the canonical tracking URI."""
        self.transport, self.uri = transport, without_credentials(uri)
        self.local = directory_of(uri) is not None
        self._absent: set[str] = set()
        self._said: set[str] = set()
        self._experiments: dict[str, str] = {}
        self._naming = threading.Lock()

    def ask(self, method: str, tail: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a call; `Absent` where the endpoint does not serve it, else as `need`."""
        return content(self.uri, PREFIX + tail, self.transport.send(method, PREFIX + tail, body))

    def need(self, method: str, tail: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a call. `TransportError`: later; `ServerError`: never."""
        try:
            return self.ask(method, tail, body)
        except Absent as error:
            # a proxy without its server, or a mistake in the URI: neither is for good
            raise TransportError(
                f"{self.uri} does not look like a tracking server: {PREFIX}{tail} answered {error.status} "
                f"({error.message}). Check the tracking URI.",
                wait=10,
                lasting=True,
            ) from None

    def offers(self, feature: str, consequence: str, tail: str, body: dict[str, Any]) -> bool:
        """Make a POST of a run that the endpoint may lack; False where it does, which is said once.

        A web page in between is no proof: the endpoint must show the run, and lack the path, a few times in turn.
        """
        if feature in self._absent:
            return False
        asked = 0
        while True:
            try:
                self.ask("POST", tail, body)
                return True
            except Absent as error:
                asked += 1
                if asked > (1 if error.code else PAGES):
                    break
                self.need("GET", "runs/get", {"run_id": body["run_id"]})
        self.note_absent(feature, consequence)
        return False

    def lacks(self, feature: str) -> bool:
        """True when the endpoint was found to lack a feature."""
        return feature in self._absent

    def note_absent(self, feature: str, consequence: str) -> None:
        """Remember that the endpoint lacks a feature, and say so the first time."""
        self._absent.add(feature)
        self.once("%s has no %s: %s", self.uri, feature, consequence)

    def once(self, message: str, *args: object) -> None:
        """Say something of this endpoint, the first time that it comes up."""
        if message % args not in self._said:
            self._said.add(message % args)
            inform(message, *args)

    def experiment(self, name: str, given: str) -> str:
        """Return the id of an experiment, which is created if need be; without name and id, the default one."""
        if given or not name:
            return given or "0"
        with self._naming:  # or each of eight threads asks
            if name not in self._experiments:
                self._experiments[name] = self._named(name) or self._created(name)
            return self._experiments[name]

    def _named(self, name: str) -> str:
        try:
            found = self.need("GET", "experiments/get-by-name", {"experiment_name": name}).get("experiment", {})
        except ServerError as error:
            if error.code != MISSING:
                raise
            return ""
        if found.get("lifecycle_stage") == "deleted":
            raise ServerError(400, "INVALID_STATE", f"the experiment {name!r} is deleted; restore it or use another")
        return str(found.get("experiment_id", ""))

    def _created(self, name: str) -> str:
        try:
            return str(self.need("POST", "experiments/create", {"name": name}).get("experiment_id", ""))
        except ServerError as error:
            if error.code not in TAKEN:
                raise
            return self._named(name)  # another process was faster
