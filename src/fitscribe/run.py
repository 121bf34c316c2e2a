"""Run: what can be said about one training, by an integration.

These words never raise and never refuse: a key is made legal, a long value is cut (and kept whole in
`fitscribe/params.json`), what cannot be recorded is left out with one warning. The direct API, which does
raise, is in `active.py`.

Chapter three for authors: all that can be said of a run. What is recorded is what a thing is at the call; slow work on
copies goes to `later`, and the run ends after it.

>>> from fitscribe import Integration, Lines
>>> integration = Integration("fakeml", requires="fitscribe")
>>> @integration.around("fakeml:train")
... def training(call):
...     with call.run("fakeml") as run:
...         run.log_params({"depth": 3, "mAP@50": [1, 2]})  # values of any kind, as text
...         run.set_tags({"team": "blue"})
...         run.log_data([[1.0], [2.0]], [0, 1])  # digest, schema and profile; also context="eval", name="holdout"
...         yield
...         run.log_metrics({"loss": 0.5}, step=7)
...         run.log_text("all of it", "notes.txt")
...         run.log_dict({"bins": [0, 1]}, "bins.yaml")  # or .json
...         run.log_table({"word": ["a", "b"], "count": [2, 1]}, "words.json")  # a second call adds rows
...         run.log_chart(Lines("loss", "round", "", {"train": ([0, 1], [1.0, 0.5])}), "loss.png")  # Bars, Heatmap
...         run.log_figure(Figure(), "tree.svg")  # of matplotlib or plotly; drawn now, a chart in the background
...         run.log_model(lambda rows: rows, "model", flavor="pyfunc")  # or "sklearn", ..., or a flavor of your own
...         run.later(lambda: run.log_metrics({"slow": 1.0}))
...         fold = run.child("fold 0")  # a run below this one, with a status of its own
...         fold.log_metrics({"score": 0.9})
...         fold.end("FAILED")
...         with run.search("loss", "minimize", total=2) as search:  # children, progress, the best, and a table
...             for depth, loss in ((1, 0.5), (2, 0.4)):
...                 search.trial(depth, {"depth": depth})
...                 search.done(depth, loss)

>>> integration.enable()
>>> with Recorder() as recorder:
...     _ = fakeml.train({})
>>> run = recorder.run("fakeml")
>>> recorder.params(run)
{'depth': '3', 'mAP_50': '[1, 2]', 'best_depth': '2'}
>>> recorder.history(run, "loss")[0], recorder.metrics(run)["slow"], recorder.metrics(run)["best_loss"]
((7, 0.5), 1.0, 0.4)
>>> sorted(path for path in recorder.artifacts(run) if not path.startswith("model/"))
['bins.yaml', 'notes.txt', 'search_results.csv', 'tree.svg', 'words.json']
>>> recorder.tags(run)["fitscribe.progress"]
'2/2'
>>> [(each.name, recorder.status(each)) for each in recorder.children(run)]
[('fold 0', 'FAILED'), ('trial 1', 'FINISHED'), ('trial 2', 'FINISHED')]
>>> integration.disable()
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fitscribe import afterwards, ranks
from fitscribe.config import settings
from fitscribe.guard import guarded
from fitscribe.records import RunEnded, RunResumed, RunStarted, Status, Tags, new_id, now
from fitscribe.values import TAG_LIMIT, legal_key, shortened, text
from fitscribe.words.models import Models
from fitscribe.words.outlet import Outlet, connect, outlet
from fitscribe.words.values import WHOLE_PARAMS

if TYPE_CHECKING:
    from fitscribe.searching import Search

__all__ = [
    "WHOLE_PARAMS",
    "Outlet",
    "Run",
    "connect",
    "opened",
    "outlet",
    "say_end",
    "set_aside",
    "status_of",
    "unsaid",
]


def status_of(error: BaseException | None) -> Status:
    """FINISHED without an error; KILLED for Ctrl-C and `sys.exit`; else FAILED."""
    if error is None:
        return "FINISHED"
    return "FAILED" if isinstance(error, Exception) else "KILLED"


class Run(Models):
    """One run, under an id of ours that exists at once; the endpoint may learn of it later."""

    def __init__(
        self, *, run_id: str, to: str, name: str = "", parent: Run | None = None, by_user: bool = False
    ) -> None:
        """Make the handle alone; `Run.start` also says that the run began."""
        self.id, self.to, self.name, self.parent, self.by_user = run_id, to, name, parent, by_user
        self.params: dict[str, str] = {}
        self.whole: dict[str, str] = {}
        self.autologged = False  # an integration has written to it: the next training gets a child
        self.deferred = False
        self.ended: Status | None = None
        self.process = os.getpid()
        self.handle: Any = None  # the user's `ActiveRun` of it
        self.theirs = ""  # the endpoint's id, where it came from there
        self.metrics: dict[str, float] = {}  # of a run aside: no endpoint has them
        self.tags: dict[str, str] = {}
        self.aside = False  # another rank records: nothing of this one is written down or sent
        self.resumed = False  # an earlier process of the job may have begun it
        self.ending: list[Callable[[], object]] = []  # what is done before it ends
        self.before: dict[str, str] = {}  # params that the endpoint had when it was taken up: another value is drift

    @classmethod
    def start(
        cls,
        name: str = "",
        *,
        parent: Run | None = None,
        tags: Mapping[str, object] | None = None,
        at: int | None = None,
        by_user: bool = False,
        address: tuple[str, str, str] | None = None,
        parent_id: str = "",
    ) -> Run:
        """Begin a run now, or at a time in milliseconds; with a parent, it goes where the parent goes."""
        out = outlet()
        where = parent.address if parent else address or out.address()
        to = parent.to if parent else where[0]
        aside = parent.aside if parent else ranks.aside()
        resumed_id = "" if aside else _resumed_id(where, name, parent, parent_id)
        run = cls(run_id=resumed_id or new_id(), to=to, name=name, parent=parent, by_user=by_user)
        run.address, run.aside, run.resumed = where, aside, bool(resumed_id)
        if aside:
            run.theirs = run.id
            opened[run.id] = set_aside[run.id] = run
            return run
        labels = {legal_key(k): shortened(text(v), TAG_LIMIT) for k, v in {**out.source(), **(tags or {})}.items()}
        started = RunStarted(
            run=run.id,
            at=now() if at is None else at,
            to=run.to,
            name=name,
            experiment=run.address[1],
            experiment_id=run.address[2],
            parent=parent.id if parent else parent_id,
            tags=labels,
            resume=run.resumed,
        )
        out.emit(started)
        if run.resumed:  # what the end of the process before may have left
            out.emit(Tags(run.id, started.at, {"fitscribe.end": None}))
        opened[run.id] = run
        out.watch()
        return run

    @classmethod
    def attach(cls, theirs: str, to: str, *, name: str = "", by_user: bool = False, reopen: bool = True) -> Run:
        """Take up the run that the endpoint `to` knows as `theirs`; with `reopen` it is open, and RUNNING there."""
        out = outlet()
        run = cls(run_id=new_id(), to=to, name=name, by_user=by_user)
        run.address, run.theirs = (to, "", ""), theirs
        out.emit(RunResumed(run.id, now(), to, theirs, reopen, drift=reopen))
        if reopen:
            opened[run.id] = run
            out.watch()
        return run

    address: tuple[str, str, str] = ("", "", "")
    offered = False  # the first training inside it writes to it, as to a run of the user's
    labels: Mapping[str, object] = {}  # the tags that an integration gives to each of its runs

    def child(self, name: str = "", tags: Mapping[str, object] | None = None, at: int | None = None) -> Run:
        """Begin a run below this one, now or at a time in milliseconds; `end` it yourself."""
        return Run.start(name, parent=self, tags=tags, at=at)

    def search(
        self,
        objective: str | Sequence[str] = "value",
        direction: str | Sequence[str] = "minimize",
        total: int | None = None,
        *,
        offered: bool = False,
    ) -> Search:
        """Begin a search below this run: trials as children, progress and the best so far on this run.

        `direction` is `minimize` or `maximize`, `total` the number of trials that are planned, if it is known. With
        `offered`, the first training inside a trial writes to the trial's own run; else it gets a child of that.
        """
        from fitscribe.searching import Search

        return Search(self, objective, direction, total, offered=offered)

    def at_end(self, piece: Callable[[], object]) -> None:
        """Call `piece()` in the thread that ends the run, before its end: for what has to be asked of others then."""
        self.ending.append(piece)

    @guarded("ending a run")
    def end(self, status: Status = "FINISHED", at: int | None = None) -> None:
        """End the run, now or at a time in milliseconds; what was asked of `later` comes before. Twice is once."""
        opened.pop(self.id, None)
        if self.ended is not None:
            return
        self.ended = status
        for piece in self.ending:
            with guarded("work before the end of a run"):
                piece()
        record = RunEnded(self.id, now() if at is None else at, status)
        if self.deferred:
            unsaid[self.id] = self, record
            afterwards.do(lambda: say_end(self.id))
        else:
            self.say(record)


def _resumed_id(address: tuple[str, str, str], name: str, parent: Run | None, parent_id: str) -> str:
    """Return the id that an earlier process of this job gave the same run, or "" where ids are new."""
    if not settings().resume or (parent is not None and not parent.resumed):
        return ""
    from fitscribe import jobs

    if not jobs.resumes():
        return ""
    above = parent.id if parent is not None else parent_id
    return jobs.child_id(above, name) if above else jobs.top_id(address[0], address[1] or address[2])


def say_end(run_id: str) -> bool:
    """Say the end of a run that waited for work after its fit; False where that was done."""
    run, record = unsaid.pop(run_id, (None, None))
    if run is None or record is None:
        return False
    run.say(record)
    return True


opened: dict[str, Run] = {}
"""The runs of this process that have not ended, oldest first."""

unsaid: dict[str, tuple[Run, RunEnded]] = {}
"""The runs that have ended and say so when the work after their fit is done."""

set_aside: dict[str, Run] = {}
"""The runs of this process that another rank records: their ids are known to nobody else."""
