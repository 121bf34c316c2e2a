"""A model that was logged under a registered name becomes a version there, once, in the registry that was set then."""

from __future__ import annotations

from typing import Any, NamedTuple

from fitscribe.config import canonical_uri, settings, without_credentials
from fitscribe.dialects.answers import content
from fitscribe.dialects.calls import MISSING, PREFIX, TAKEN, Calls
from fitscribe.dialects.logged import Logged
from fitscribe.dialects.parcels import Parcel
from fitscribe.errors import ServerError, TransportError
from fitscribe.records import ModelLogged
from fitscribe.transport import Transport, Unsent

__all__ = ["Registration"]

KEY = "fitscribe.registration_key"  # a tag of a version: of two with the same value, one would be a repeat
PARENT = "fitscribe.parent_run_id"


class Place(NamedTuple):
    """A registry, and how to talk to it."""

    uri: str
    transport: Transport


class Registration:
    """The versions that models of one endpoint become, there or in another registry."""

    def __init__(self, calls: Calls, logged: Logged) -> None:
        """Make no call yet."""
        self.calls, self.logged = calls, logged
        self._parents: dict[str, str] = {}  # by model: the run that its run is nested in
        self._doubt: set[tuple[str, str]] = set()  # ids of ours, and names under which they may have a version

    def expect(self, parcel: Parcel, record: ModelLogged) -> None:
        """Learn of the run, before it ends and is forgotten, what a version is to tell of it."""
        if record.register_as:
            self._parents[_key(record)] = self.logged.said(parcel).parent

    def register(self, parcel: Parcel, record: ModelLogged) -> None:
        """Make a version of a registered model, once. `ServerError`: there is no registry, or it takes none."""
        name, key, place = record.register_as, _key(record), self._place(record)
        theirs = parcel.book.theirs(parcel.run)
        fresh = self.logged.told.created(theirs) and (key, name) not in self._doubt
        if not fresh and _has(place, name, key):
            return
        tags = {KEY: key, PARENT: self._parents.get(key, "")}
        body = {
            "name": name,
            "run_id": theirs,
            "tags": [{"key": tag, "value": value} for tag, value in tags.items() if value],
            **self._origin(parcel, record),
        }
        try:
            _version(place, name, body)
            self._parents.pop(key, None)
        except TransportError as error:
            if not isinstance(error, Unsent):
                self._doubt.add((key, name))
            raise
        except ServerError as error:  # that something is missing is no word on the run
            raise ServerError(error.status, "", f"{name!r} got no version of the model: {error.message}") from None

    def _origin(self, parcel: Parcel, record: ModelLogged) -> dict[str, str]:
        """Return where a version's files are; another registry does not know our models by their ids."""
        home = self.logged.home(parcel, record.model)
        if home is None:
            return {"source": f"{self.logged.runs.home(parcel)[1]}/{record.path}"}
        if record.registry:
            return {"source": home.root}
        return {"source": f"models:/{home.theirs}", "model_id": home.theirs}

    def _place(self, record: ModelLogged) -> Place:
        """Return the registry of a model. `ServerError`: one that is not set here, so that it gets no credentials."""
        if not record.registry:
            return Place(self.calls.uri, self.calls.transport)
        ours = canonical_uri(settings().registry_uri) if settings().registry_uri else ""
        if not ours or without_credentials(ours) != record.registry:
            raise ServerError(
                400,
                "",
                f"{record.register_as!r} got no version of the model: it is for the registry {record.registry}, which "
                "is not that of this process; set MLFLOW_REGISTRY_URI, and send it again",
            )
        from fitscribe.dialects import dialect_for

        found: Any = dialect_for(ours)
        return Place(record.registry, found.transport)


def _key(record: ModelLogged) -> str:
    return record.model or f"{record.run}/{record.path}"


def _version(place: Place, name: str, body: dict[str, Any]) -> None:
    """Make a version; a registered model that is not there is made first."""
    try:
        _ask(place, "POST", "model-versions/create", body)
    except ServerError as error:
        if error.code != MISSING:
            raise
        try:
            _ask(place, "POST", "registered-models/create", {"name": name})
        except ServerError as other:
            if other.code not in TAKEN:
                raise
        _ask(place, "POST", "model-versions/create", body)


def _has(place: Place, name: str, key: str) -> bool:
    """Look for a version that this very model has under a name."""
    quoted = f'"{name}"' if "'" in name else f"'{name}'"
    body = {"filter": f"name = {quoted}", "max_results": 10_000}
    try:
        found = _ask(place, "GET", "model-versions/search", body).get("model_versions") or []
    except ServerError:
        return False
    return any({"key": KEY, "value": key} in (each.get("tags") or []) for each in found)


def _ask(place: Place, method: str, tail: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = place.transport.send(method, PREFIX + tail, body)
    if answer.status == 403:  # the run may be written by the same credentials
        raise ServerError(403, "PERMISSION_DENIED", "the registry does not permit it")
    return content(place.uri, PREFIX + tail, answer)
