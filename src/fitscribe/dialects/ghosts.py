"""Ghosts: a run that an endpoint made twice, of a request whose answer was lost or that a proxy repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from fitscribe.dialects.answers import Absent
from fitscribe.dialects.calls import Calls
from fitscribe.dialects.parcels import Address, AddressBook, Parcel
from fitscribe.errors import ServerError
from fitscribe.guard import inform

__all__ = ["KEY", "Ghosts"]

KEY = "fitscribe.run_key"
PARENT = "mlflow.parentRunId"
SEARCH = "search for runs by tag"
PAGE = 1000
DOUBLES = 10  # of one run, at most


class Ghosts:
    """Finds the runs of one endpoint by our key, and deletes those that nobody writes to."""

    def __init__(self, calls: Calls) -> None:
        """Make no call yet."""
        self.calls = calls
        self._experiments: dict[str, str] = {}

    def born(self, theirs: str, experiment: str) -> None:
        """Note the experiment of a run."""
        self._experiments[theirs] = experiment

    def seek(self, run: str, experiment: str) -> dict[str, Any]:
        """Return the info of the run with our key `run`, or an empty dict; of doubles, that of one that holds data."""
        found = self._search(experiment, KEY, run, DOUBLES).get("runs") or [{}]
        return dict(max(found, key=_holds).get("info", {}))

    def lay(self, parcel: Parcel) -> None:
        """Delete the doubles of a run, and of those below it, at its end."""
        book, theirs = parcel.book, parcel.book.theirs(parcel.run)
        experiment = self._experiments.get(theirs) or self._named(parcel.address)
        if not experiment:
            return
        self._delete(book, self._all(experiment, KEY, parcel.run))
        parents = [parcel.run] if book.children(parcel.run) else []
        for parent in parents:  # which grows
            self._delete(book, self._all(experiment, PARENT, book.theirs(parent)))
            parents.extend(child.run for child in book.children(parent) if book.children(child.run))
        for parent in parents:
            for child in book.children(parent):
                self._experiments.pop(child.theirs, None)
        self._experiments.pop(theirs, None)

    def _named(self, address: Address) -> str:
        if address.experiment or address.experiment_id:
            return self.calls.experiment(address.experiment, address.experiment_id)
        return ""

    def _delete(self, book: AddressBook, runs: list[dict[str, Any]]) -> None:
        by_key: dict[str, list[dict[str, Any]]] = {}
        for run in runs:
            by_key.setdefault(_key(run), []).append(run)
        for key, same in by_key.items():
            known = [run for run in same if key and run["info"]["run_id"] == book.theirs(key)]
            for ghost in _ghosts(same, known[0]) if known else ():
                inform("the endpoint had made the run %s twice; the empty one is deleted", key)
                with contextlib.suppress(ServerError):
                    self.calls.offers("runs/delete", "a run that it made twice stays", "runs/delete", {"run_id": ghost})

    def _all(self, experiment: str, tag: str, value: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._search(experiment, tag, value, PAGE, token)
            runs = page.get("runs") or []
            found += runs
            token = str(page.get("next_page_token") or "")
            if not token or not runs:
                return found

    def _search(self, experiment: str, tag: str, value: str, most: int, token: str = "") -> dict[str, Any]:
        if self.calls.local or self.calls.lacks(SEARCH):  # creating twice is creating once in the embedded store
            return {}
        question: dict[str, Any] = {"experiment_ids": [experiment], "max_results": most}
        question["filter"] = f"tags.`{tag}` = '{value}'"
        if token:
            question["page_token"] = token
        try:
            return self.calls.ask("POST", "runs/search", question)
        except Absent as error:
            if not error.code and error.status == 404:  # some web page: no word of the server's
                return self.calls.need("POST", "runs/search", question)
        except ServerError as error:
            if error.status != 400:
                raise
        self.calls.note_absent(SEARCH, "a run whose creation was not answered may be there twice")
        return {}


def _key(run: dict[str, Any]) -> str:
    tags = run.get("data", {}).get("tags") or []
    return next((str(tag.get("value")) for tag in tags if tag.get("key") == KEY), "")


def _ghosts(same: Iterable[dict[str, Any]], known: dict[str, Any]) -> list[str]:
    """Return the ids of what the same request made: it began at the same time, runs, and holds nothing."""
    kept = known["info"]
    return [
        str(run["info"]["run_id"])
        for run in same
        if run["info"]["run_id"] != kept["run_id"]
        and run["info"].get("start_time") == kept.get("start_time")
        and run["info"].get("status") == "RUNNING"
        and not _holds(run)
    ]


def _holds(run: dict[str, Any]) -> bool:
    return bool(run.get("data", {}).get("metrics") or run.get("data", {}).get("params"))
