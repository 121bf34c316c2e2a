"""Live: the candidates of a search become child runs while the search runs.

scikit-learn hands the fits of a search to one `Parallel` object, candidate by candidate and split by split, and
takes the results in that order. Both are looked at where they pass by in the caller's thread, and while that waits
for a slow fit, what came in behind it; in the workers, whatever they are, nothing of ours runs.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn.candidate import Candidate, Task, name_of

__all__ = ["FATE", "Live", "fates", "followed", "following"]

TAKEN = ("_get_outputs", "_get_sequential_output")  # of joblib's Parallel: what gives the results, one by one
WAITS = "_wait_retrieval"  # of joblib's Parallel: asked again and again while the next result is not there
LATER = "this joblib has no %s: the parts of a search or a validation are recorded later than they end, none is lost"
LOOK = 0.2  # seconds between two looks at what came in behind a slow fit
FATE = "fitscribe.halving"  # the tag of what became of a candidate of a halving search

_live: ContextVar[Live | None] = ContextVar("fitscribe.sklearn.live", default=None)

searching: ContextVar[Any] = ContextVar("fitscribe.sklearn.searching", default=None)
"""The `Searches` of the training under way, which the next search is one of."""


class Live:
    """The candidates of one search under way; `rows` has them by their row in `cv_results_`."""

    def __init__(self, run: Any, search: Any, base: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """`base` are the params that every candidate has, `tags` those of every child run."""
        self.run, self.search, self.base, self.tags = run, search, base, tags
        self.rows: dict[int, Candidate] = {}
        self.above = 0  # rows of earlier calls, of a search that goes over its candidates more than once
        self.more: Mapping[str, Sequence[Any]] = {}  # what else the search tells of each candidate of this call
        self.round: dict[int, Mapping[str, Any]] = {}  # the candidates of this call
        self.tasks: list[Task | None] = []
        self.came = 0
        self.looks_at = 0.0

    def evaluates(self, evaluate: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function that a search calls with its candidates, once or often, under our eyes."""

        @functools.wraps(evaluate)
        def evaluated(*args: Any, **kwargs: Any) -> Any:
            self._begin(*args[:3:2], **kwargs)  # the second is the splitter
            token = _live.set(self)
            try:
                return evaluate(*args, **kwargs)
            except BaseException as error:
                unseen(error)
                raise
            finally:
                _live.reset(token)
                self.above += len(self.round)

        return evaluated

    @guarded("following the search")
    def _begin(self, candidate_params: Any = (), more_results: Any = None, **_: Any) -> None:
        before, self.round, self.more = list(self.round.values()), {}, more_results or {}
        if before and "n_resources" in self.more:  # a halving search goes on with some
            found = fates(before, candidate_params, self.more["iter"][0] - 1, getattr(self.search, "resource", ""))
            for row, fate in enumerate(found, start=self.above - len(before)):
                if row in self.rows:
                    self.rows[row].run.set_tags({FATE: fate})

    def noted(self, tasks: Iterable[Any]) -> Iterator[Any]:
        """Pass on the tasks, which joblib takes a few at a time, in whatever thread."""
        self.tasks, self.came = [], 0
        try:
            for task in tasks:
                known = Task.of(task[2])
                self.tasks.append(known)
                if known is not None:
                    self.round[known.candidate] = known.parameters
                yield task
        except BaseException as error:
            unseen(error)
            raise

    def seen(self, results: Iterable[Any]) -> Iterator[Any]:
        """Pass on the results, in the order of the tasks; the first of all is none, but a start signal."""
        results = iter(results)
        try:
            yield next(results)
            for result in results:
                self._take(self.came, result)
                self.came += 1
                yield result
        except BaseException as error:
            unseen(error)
            raise

    @guarded("following the search")
    def look(self, engine: Any) -> None:
        """Take what came in behind a result that is still awaited."""
        if time.monotonic() < self.looks_at:
            return
        self.looks_at = time.monotonic() + LOOK
        place = self.came
        for job in list(engine._jobs):
            outcome = vars(job).get("_result")
            for offset, result in enumerate(outcome if isinstance(outcome, (list, tuple)) else ()):
                self._take(place + offset, result)
            place += job.batch_size

    @guarded("following the search")
    def _take(self, place: int, result: Any) -> None:
        task, self.tasks[place] = self.tasks[place], None
        if task is None or not isinstance(result, dict) or "test_scores" not in result:
            return
        row = self.above + task.candidate
        candidate = self.rows.get(row) or self._born(row, task, result)
        candidate.split(task, result, named_later=callable(self.search.scoring))

    def _born(self, row: int, task: Task, result: Mapping[str, Any]) -> Candidate:
        began = time.time() - result.get("fit_time", 0.0) - result.get("score_time", 0.0)
        run = self.run.child(name_of(task.parameters), tags=self.tags, at=round(began * 1000))
        more = {name: values[task.candidate] for name, values in self.more.items() if len(values) == task.candidates}
        candidate = self.rows[row] = Candidate(run, {**self.base, **task.parameters, **more}, task.splits)
        if len(self.rows) == 1:  # a param that is an estimator takes long to write as text: once is enough
            set_apart = {name: self.base[name] for name in task.parameters if name in self.base}
            self.base = {**{name: run.params.get(name, value) for name, value in self.base.items()}, **set_apart}
        return candidate

    @guarded("ending the candidates")
    def give_up(self, status: str) -> None:
        """End what a search that failed has left open."""
        for candidate in self.rows.values():
            candidate.end(status)


def unseen(error: BaseException) -> None:
    """Take the caller's own frame out of the traceback of a user's error that passes through it."""
    trace = error.__traceback__
    BaseException.with_traceback(error, trace and trace.tb_next)


@contextlib.contextmanager
def following(live: Live) -> Iterator[None]:
    """Let `live` look at the next call of `Parallel` in a `with` block."""
    token = _live.set(live)
    try:
        yield
    finally:
        _live.reset(token)


def followed(call: Any) -> Generator[None, Any, None]:
    """Look at what passes through a call of scikit-learn's `Parallel`, if it is that of a search under way.

    What runs in parallel inside a candidate, or inside any other training, is part of it: wherever it runs, a search
    in there is not followed, though one would be seen in this thread.
    """
    live, engine = _live.get(), call.target
    one, other = _live.set(None), searching.set(None)
    gone = [name for name in (*TAKEN, WAITS) if live is not None and not hasattr(engine, name)]
    if gone:
        call.warn_once(LATER, ", ".join(gone))
    passes = live is not None and len(call.args) == 2 and not set(gone) & set(TAKEN)
    if live is not None and passes:
        call.args = (engine, live.noted(call.args[1]))
        _tap(live, engine)
    try:
        yield
    finally:
        _live.reset(one)
        searching.reset(other)
        for name in (*TAKEN, WAITS) if passes else ():
            vars(engine).pop(name, None)


def _tap(live: Live, engine: Any) -> None:
    for name in TAKEN:
        setattr(engine, name, partial(_tapped, live, getattr(engine, name)))
    if hasattr(engine, WAITS):
        setattr(engine, WAITS, partial(_waiting, live, engine, getattr(engine, WAITS)))


def _tapped(live: Live, original: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
    return live.seen(original(*args, **kwargs))


def _waiting(live: Live, engine: Any, original: Any) -> Any:
    live.look(engine)
    return original()


def fates(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], iteration: int, resource: str
) -> list[str]:
    """Say of each candidate of an iteration whether it is among those of the next."""

    def key(params: Mapping[str, Any]) -> tuple[Any, ...]:  # the next iteration has the same objects
        return tuple(sorted((name, id(value)) for name, value in params.items() if name != resource))

    kept = {key(params) for params in after}
    return [f"{'went on' if key(params) in kept else 'eliminated'} after iteration {iteration}" for params in before]
