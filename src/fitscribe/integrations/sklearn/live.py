"""Live: the candidates of a search become child runs while the search runs.

scikit-learn hands the fits of a search to one `Parallel` object, candidate by candidate and split by split, and
takes the results in that order as they come in. Both are looked at where they pass by in the caller's thread; in
the workers, whatever they are, nothing of ours runs.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar, Token
from functools import partial
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.sklearn.candidate import Candidate, Task

__all__ = ["Live", "followed"]

TAKEN = ("_get_outputs", "_get_sequential_output")  # of joblib's Parallel: what gives the results, one by one

_live: ContextVar[Live | None] = ContextVar("fitscribe.sklearn.live", default=None)


class Live:
    """`with Live(...) as live:` around a search's fit; `live.rows` are its candidates, as in `cv_results_`."""

    def __init__(self, run: Any, base: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """`base` are the params that every candidate has, `tags` those of every child run."""
        self.run, self.base, self.tags = run, base, tags
        self.rows: dict[int, Candidate] = {}
        self.above = 0  # rows of earlier calls, of a search that goes over its candidates more than once
        self.engine: Any = None
        self.tasks: list[Task | None] = []
        self.came = 0
        self._token: Token[Live | None] | None = None

    def __enter__(self) -> Live:
        self._token = _live.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if self._token is not None:
            _live.reset(self._token)
        if error is not None:
            self.give_up("FAILED" if isinstance(error, Exception) else "KILLED")

    def wants(self, engine: Any) -> bool:
        """Say whether this is the search's own engine: one inside a candidate, or in the refit, is another."""
        if self.engine is None and all(hasattr(engine, name) for name in TAKEN):
            self.engine = engine
        return self.engine is engine

    def noted(self, tasks: Iterable[Any]) -> Iterator[Any]:
        """Pass on the tasks, which joblib takes a few at a time, in whatever thread."""
        self.tasks, self.came = [], 0
        for task in tasks:
            self.tasks.append(Task.of(task[2]))
            yield task

    def seen(self, results: Iterable[Any]) -> Iterator[Any]:
        """Pass on the results, in the order of the tasks; the first of all is none, but a start signal."""
        results = iter(results)
        yield next(results)
        for result in results:
            self._take(result)
            yield result

    @guarded("following the search")
    def _take(self, result: Any) -> None:
        task, self.came = self.tasks[self.came], self.came + 1
        if task is None or not isinstance(result, dict) or "test_scores" not in result:
            return
        row = self.above + task.candidate
        candidate = self.rows.get(row)
        if candidate is None:
            began = time.time() - result.get("fit_time", 0.0) - result.get("score_time", 0.0)
            candidate = self.rows[row] = Candidate(self.run, task, self.base, self.tags, began)
            if not row:  # a param that is an estimator takes long to write as text: once is enough
                self.base = {**candidate.run.params, **{name: self.base[name] for name in task.parameters}}
        candidate.split(task, result)

    def over(self) -> None:
        """Let rows of the next call follow those of this one."""
        self.above += next((task.candidates for task in self.tasks if task), 0)

    @guarded("ending the candidates")
    def give_up(self, status: str) -> None:
        """End what a search that failed has left open."""
        for candidate in self.rows.values():
            candidate.end(status)


def followed(call: Any) -> Generator[None, Any, None]:
    """Look at what passes through a call of scikit-learn's `Parallel`, if it is that of a search under way."""
    live = _live.get()
    if live is None or not live.wants(call.target) or len(call.args) != 2:
        return
    engine, tasks = call.args
    call.args = (engine, live.noted(tasks))
    for name in TAKEN:
        setattr(engine, name, partial(_tapped, live, getattr(engine, name)))
    try:
        yield
    finally:
        for name in TAKEN:
            vars(engine).pop(name, None)
        live.over()


def _tapped(live: Live, original: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
    return live.seen(original(*args, **kwargs))
