"""Logged models at an MLflow endpoint: each made exactly once; where there are none, a model's files are the run's own.

A server has no way to make a model under an id of ours, so the model carries ours in a tag, and after an unclear
outcome, or in another process, it is looked for by that tag before it is made. Whatever goes wrong with the record of
a model, the run it belongs to goes on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from fitscribe.dialects.answers import Absent, content
from fitscribe.dialects.calls import MISSING, PREFIX, Calls, Step
from fitscribe.dialects.files import Home
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.dialects.told import Said, Told
from fitscribe.errors import ServerError, TransportError
from fitscribe.records import ModelBegun
from fitscribe.transport import Unsent

__all__ = ["KEY", "Logged"]

KEY = "fitscribe.model_key"
FEATURE = "logged models"
TAIL = "logged-models"
PARAMS = 100  # of a request
_barred = re.compile(r"[/:.%\"']")  # in a name; the path of such a model leads to the run's own files


class Logged:
    """The models of one endpoint by their ids of ours."""

    def __init__(self, calls: Calls, runs: Runs, told: Told) -> None:
        """Make no call yet."""
        self.calls, self.runs, self.told = calls, runs, told
        self._known: dict[str, Home | None] = {}  # None: its files are the run's own
        self._doubt: set[str] = set()  # it was asked to make the model, and nobody knows whether it did
        self._unlinked: set[str] = set()  # whether the run is known to have made it is unclear
        self._following: dict[str, list[tuple[Home, set[str]]]] = {}  # by run: models with its params, and which

    def begin(self, parcel: Parcel, record: ModelBegun) -> list[Step]:
        """Make the model, if the endpoint has such things, and say which run made it."""
        if record.model not in self._known:
            self._known[record.model] = self._made(parcel, record)
        home = self._known[record.model]
        if home is None:
            return []
        parcel.book.models[record.model] = home.theirs
        told = self._params(parcel, record)
        if not record.params and home.theirs not in self._unlinked:
            keys = {each["key"] for each in told}
            self._following.setdefault(parcel.book.theirs(parcel.run), []).append((home, keys))
        return [Step(partial(self._link, parcel, home, record.step), []), *self._given(home, told[PARAMS:])]

    def late(self, parcel: Parcel) -> list[Step]:
        """Return the steps that give the models of a run, which ends, the params that it got after them."""
        following = self._following.pop(parcel.book.theirs(parcel.run), [])
        params = _listed(self.said(parcel).params) if following else []
        return [
            step
            for home, keys in following
            for step in self._given(home, [each for each in params if each["key"] not in keys])
        ]

    def _given(self, home: Home, params: list[dict[str, str]]) -> list[Step]:
        some = [params[start : start + PARAMS] for start in range(0, len(params), PARAMS)]
        return [Step(partial(self._give, home, each), []) for each in some]

    def as_artifacts(self, record: ModelBegun, error: ServerError) -> list[Step]:
        """Let the files of a model that was refused be artifacts of its run."""
        self._known[record.model] = None
        self.calls.once("%s took no record of a model (%s); its files are with the run's", self.calls.uri, error)
        return []

    def home(self, parcel: Parcel, model: str) -> Home | None:
        """Return where the files of a model go; None: to the run's own.

        One that an earlier process began is looked for.
        """
        if model not in self._known:
            self._known[model] = self._sought(parcel, model) if model and not self.calls.lacks(FEATURE) else None
        return self._known[model]

    def ask(self, method: str, tail: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a call about a model; that it is gone, or not permitted, is no word on its run.

        `Absent`: the endpoint does not serve this, or not to us, who may write the run all the same.
        """
        answer = self.calls.transport.send(method, PREFIX + tail, body)
        if answer.status == 403:
            raise Absent(403, "", "not permitted")
        try:
            return content(self.calls.uri, PREFIX + tail, answer)
        except ServerError as error:
            if error.code != MISSING:
                raise
            raise ServerError(error.status, "", error.message) from None

    def said(self, parcel: Parcel) -> Said:
        """Return what the endpoint knows of the run of a parcel."""
        theirs = parcel.book.theirs(parcel.run)
        return self.told.of(theirs) or self.told.learn(theirs, self.runs.get(parcel))

    def _made(self, parcel: Parcel, record: ModelBegun) -> Home | None:
        if self.calls.lacks(FEATURE) or _barred.search(record.path):
            return None
        fresh = self.told.created(parcel.book.theirs(parcel.run)) and record.model not in self._doubt
        if not (fresh or self.calls.local) and (found := self._sought(parcel, record.model)):
            return found
        said = self.said(parcel)
        tags = {**said.tags, **record.tags, KEY: record.model}
        body = {
            "experiment_id": self.runs.home(parcel)[0],
            "name": record.path,
            **({"model_type": record.model_type} if record.model_type else {}),
            "source_run_id": parcel.book.theirs(parcel.run),
            "params": self._params(parcel, record)[:PARAMS],
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }
        return self._created(record.model, body)

    def _params(self, parcel: Parcel, record: ModelBegun) -> list[dict[str, str]]:
        return _listed(record.params or self.said(parcel).params)

    def _created(self, model: str, body: dict[str, Any]) -> Home | None:
        try:
            answer = self._offered(model, body)
        except TransportError as error:
            if not isinstance(error, Unsent):
                self._doubt.add(model)
            raise
        return None if answer is None else self._read(model, answer)

    def _offered(self, model: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Return the answer; None where the endpoint does not serve, or not permit, what it serves of the run."""
        for last in (False, True):
            try:
                return self.ask("POST", TAIL, body)
            except Absent:
                if not last:  # a web page in between is no proof
                    self.calls.need("GET", "runs/get", {"run_id": body["source_run_id"]})
        self.calls.note_absent(FEATURE, "the files of a model are among the artifacts of its run")
        return None

    def _read(self, model: str, answer: Mapping[str, Any]) -> Home:
        """Read the model from an answer. `TransportError`: it has none, or another one."""
        info = (answer.get("model") or {}).get("info") or {}
        tags = {tag.get("key"): tag.get("value") for tag in info.get("tags") or []}
        if not info.get("model_id") or tags.get(KEY, model) != model:
            self._doubt.add(model)
            raise TransportError(f"{self.calls.uri} answered {TAIL} without the model that began", wait=10)
        return _home(info)

    def _sought(self, parcel: Parcel, model: str) -> Home | None:
        """Look for a model by our id."""
        experiment = self.runs.home(parcel)[0]
        body = {"experiment_ids": [experiment], "filter": f"tags.`{KEY}` = '{model}'", "max_results": 10}
        try:
            found = self.ask("POST", f"{TAIL}/search", body).get("models") or []
        except ServerError:  # it has none, or cannot search
            return None
        if not found:
            return None
        home = _home(found[-1]["info"])  # the oldest
        self._unlinked.add(home.theirs)
        return home

    def _link(self, parcel: Parcel, home: Home, step: int) -> None:
        """Say which run made a model: once, since servers refuse it the second time."""
        theirs = parcel.book.theirs(parcel.run)
        if home.theirs in self._unlinked and self._is_linked(parcel, home):
            return
        try:
            self.ask("POST", "runs/outputs", {"run_id": theirs, "models": [{"model_id": home.theirs, "step": step}]})
        except TransportError as error:
            if not isinstance(error, Unsent):
                self._unlinked.add(home.theirs)
            raise

    def _is_linked(self, parcel: Parcel, home: Home) -> bool:
        made = (self.runs.get(parcel).get("outputs") or {}).get("model_outputs") or []
        return any(each.get("model_id") == home.theirs for each in made)

    def _give(self, home: Home, params: list[dict[str, str]]) -> None:
        self.ask("POST", f"{TAIL}/{home.theirs}/params", {"model_id": home.theirs, "params": params})


def _listed(params: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in params.items()]


def _home(info: Mapping[str, Any]) -> Home:
    return Home(
        str(info.get("experiment_id", "")),
        str(info.get("model_id", "")),
        str(info.get("artifact_uri", "")),
        str(info.get("name", "")),
    )
