"""Runs that the endpoint knows already: taken up again by their id."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fitscribe import config
from fitscribe.delivery import the_delivery
from fitscribe.errors import NotFoundError, TransportError
from fitscribe.guard import warn_once
from fitscribe.records import Tags, now
from fitscribe.run import Run, opened, set_aside

if TYPE_CHECKING:
    from fitscribe import entities
    from fitscribe.reading.reader import Reader

__all__ = ["attached", "begun", "by_id"]

END = "fitscribe.end"  # the tag that says how a run ended whose process could not
MOMENT = 0.05  # seconds between looks for a run that another process is about to deliver

_by_theirs: dict[tuple[str, str], Run] = {}


def attached(run_id: str, address: tuple[str, str, str], *, reopen: bool = True) -> Run:
    """Return a handle on the run that the endpoint knows as `run_id`; with `reopen` it is RUNNING again.

    `NotFoundError`: the endpoint says there is none. An endpoint that does not answer is believed to know it.
    """
    uri = address[0]
    there = _look(uri, run_id)
    run = Run.attach(run_id, uri, name=there[0], by_user=True, reopen=reopen)
    run.address = address
    (run.before if reopen else run.params).update(there[1])
    if reopen and there[2].get(END):
        run.say(Tags(run.id, now(), {END: None}))  # it goes on
    _by_theirs[uri, run_id] = run
    return run


def by_id(run_id: str, uri: str = "") -> Run:
    """Return the run to write to by its id, ours or the endpoint's, whatever its status.

    `NotFoundError`: the endpoint says there is none.
    """
    delivery = the_delivery()
    uri = delivery.written(uri) if uri else delivery.uri()
    run = opened.get(run_id) or set_aside.get(run_id) or _by_theirs.get((uri, run_id))
    return run if run is not None else attached(run_id, (uri, "", ""), reopen=False)


def begun(experiment_id: str, name: str, tags: Mapping[str, Any], at: int | None, uri: str) -> tuple[Run, str]:
    """Begin a run that nobody is in, and that stays open when the process ends; return it with the endpoint's id."""
    delivery = the_delivery()
    run = Run.start(name, tags=tags, at=at, address=(delivery.written(uri), "", experiment_id))
    opened.pop(run.id, None)
    theirs = delivery.theirs(run)
    _by_theirs[run.to, theirs] = run
    return run, theirs


def _look(uri: str, run_id: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return name, params and tags of a run."""
    from fitscribe.reading.reader import Reader

    reader, until = Reader(the_delivery().full_uri(uri)), time.monotonic() + config.settings().read_timeout
    try:
        while (run := _found(reader, run_id)) is None and _coming(uri, run_id) and time.monotonic() < until:
            time.sleep(MOMENT)
        if run is None:
            raise NotFoundError(f"there is no run {run_id!r} at {uri}")
    except TransportError as error:
        warn_once("could not look at the run %s (%s); what is logged to it is kept and sent later", run_id, error)
        return "", {}, {}
    return run.info.run_name or "", dict(run.data.params), dict(run.data.tags)


def _found(reader: Reader, run_id: str) -> entities.Run | None:
    try:
        return reader.get_run(run_id)
    except NotFoundError:
        return None


def _coming(uri: str, run_id: str) -> bool:
    """True when a run is on its way to an embedded store: its id is known, and handed to others, before it is there."""
    from fitscribe.journal.neighbours import speak_of

    store = config.directory_of(uri)
    return store is not None and any(speak_of(each / "journal", run_id) for each in {store, config.folder()})
