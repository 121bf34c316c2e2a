"""Trials: an endpoint breaks down on a request (500), and whether the request or the endpoint is to blame."""

from __future__ import annotations

import contextlib
import time
from functools import partial

from fitscribe.dialects.answers import Broken, Poison
from fitscribe.dialects.artifacts import ROUTE, stored
from fitscribe.dialects.calls import Calls, Step
from fitscribe.dialects.files import Files
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.errors import ServerError, TransportError

__all__ = ["Trials"]

BREAKDOWNS, SECONDS = 6, 20.0  # of the same request, before it is suspected
PARTS, ALONE = 2, 6  # more breakdowns, between writes that go well: of several things together, of one by itself
CHECK = "fitscribe.check"
CHECK_FILE = "fitscribe.check"  # in no folder: an empty one would stay


class Trials:
    """The judge of one endpoint: what is not proved to be the request's fault is an outage, and loses nothing."""

    def __init__(self, calls: Calls, runs: Runs, files: Files) -> None:
        """Make no call yet."""
        self.calls, self.runs, self.files = calls, runs, files

    def judge(self, parcel: Parcel, step: Step, error: Broken) -> list[Step]:
        """Try a step again, between writes that go well; return what follows it when it works after all.

        `Poison`: the endpoint takes other writes of the run, and not this one. `TransportError`: nobody can tell yet.
        """
        if not step.suspect:
            self._count(parcel, error)
        if step.vital and (step.otherwise is None or not parcel.address.doubt):
            raise error  # nothing in it can be left out: whatever is wrong, waiting loses nothing
        alone = len(step.records(parcel.run)) < 2
        for _ in range(ALONE if alone else PARTS):
            self._well(parcel, step, error)
            try:
                return step.do() or []
            except Broken as again:
                error = again
        raise Poison(500, "", str(error))

    def _count(self, parcel: Parcel, error: Broken) -> None:
        parcel.breakdowns.append(time.monotonic())
        if len(parcel.breakdowns) < BREAKDOWNS or parcel.breakdowns[-1] - parcel.breakdowns[0] < SECONDS:
            raise error

    def _well(self, parcel: Parcel, step: Step, error: Broken) -> None:
        """Write something of the same kind. To read would prove nothing: a full disk is read without trouble."""
        if step.vital:
            return  # each attempt to create a run in doubt has searched for it before
        parcel.checked = True
        try:
            if step.upload:
                self.files.put(parcel, CHECK_FILE, b"written to see whether uploads work; it may be deleted\n")
            else:
                said = {"key": CHECK, "value": str(time.time_ns())}  # another one each time, or nothing is written
                self.calls.ask("POST", "runs/set-tag", {"run_id": parcel.book.theirs(parcel.run), **said})
        except TransportError:
            raise error from None
        except ServerError:
            return  # it is well enough to refuse

    def tidy(self, parcel: Parcel, step: Step) -> list[Step]:
        """Return the steps that take away what was written for the trial of a step."""
        if not parcel.checked:
            return []
        parcel.checked = False
        return [Step(partial(self._deleted if step.upload else self._untagged, parcel), [])]

    def _untagged(self, parcel: Parcel) -> None:
        body = {"run_id": parcel.book.theirs(parcel.run), "key": CHECK}
        with contextlib.suppress(ServerError):
            self.calls.offers("delete-tag", "tags stay as they are there", "runs/delete-tag", body)

    def _deleted(self, parcel: Parcel) -> None:
        experiment, root = self.runs.home(parcel)
        below = root.removeprefix("mlflow-artifacts:").strip("/")
        theirs = parcel.book.theirs(parcel.run)
        target = stored(experiment, theirs, CHECK_FILE) if self.calls.local else f"{ROUTE}/{below}/{CHECK_FILE}"
        with contextlib.suppress(TransportError):  # some break down on deleting: a small file stays
            self.calls.transport.send("DELETE", target)
