"""Runs that the endpoint knows already: taken up again by their id."""

from __future__ import annotations

from fitscribe.delivery import the_delivery
from fitscribe.errors import NotFoundError, TransportError
from fitscribe.guard import warn_once
from fitscribe.records import RunResumed, new_id, now
from fitscribe.run import Run, opened

__all__ = ["attached", "by_id", "known_here"]

_by_theirs: dict[tuple[str, str], Run] = {}


def known_here(run_id: str) -> Run | None:
    """Return the open run of this process that has this id, ours or the endpoint's."""
    if run_id in opened:
        return opened[run_id]
    return next((run for (_, theirs), run in list(_by_theirs.items()) if theirs == run_id), None)


def attached(run_id: str, address: tuple[str, str, str], *, reopen: bool = True) -> Run:
    """Return a handle on the run that the endpoint knows as `run_id`; with `reopen` it is RUNNING again.

    `NotFoundError`: the endpoint says there is none. An endpoint that does not answer is believed to know it.
    """
    uri = address[0]
    there = _look(uri, run_id)
    run = Run(run_id=new_id(), to=uri, name=there[0], by_user=True)
    run.address = address
    run.params.update(there[1])
    run.say(RunResumed(run.id, now(), uri, run_id, reopen))
    if reopen:
        opened[run.id] = run
    _by_theirs[uri, run_id] = run
    run.theirs = run_id
    return run


def by_id(run_id: str, uri: str = "") -> Run:
    """Return the run to write to by its id, ours or the endpoint's, whatever its status."""
    uri = uri or the_delivery().uri()
    run = opened.get(run_id) or _by_theirs.get((uri, run_id))
    return run if run is not None else attached(run_id, (uri, "", ""), reopen=False)


def _look(uri: str, run_id: str) -> tuple[str, dict[str, str]]:
    from fitscribe.client import Client

    try:
        run = Client(the_delivery().full_uri(uri)).get_run(run_id)
    except NotFoundError:
        raise NotFoundError(f"there is no run {run_id!r} at {uri}") from None
    except TransportError as error:
        warn_once("could not look at the run %s (%s); what is logged to it is kept and sent later", run_id, error)
        return "", {}
    return run.info.run_name or "", dict(run.data.params)
