"""The dialect of MLflow's REST protocol, spoken by MLflow servers, their relatives and the embedded store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from fitscribe.dialects.answers import Absent, Broken, Poison
from fitscribe.dialects.batches import INT64, Item, items
from fitscribe.dialects.calls import MISSING, Calls, Step
from fitscribe.dialects.files import Files
from fitscribe.dialects.finished import Finished
from fitscribe.dialects.kept import DATASETS, Kept
from fitscribe.dialects.logged import Logged
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import LAST_RUNG, Runs
from fitscribe.dialects.told import Told
from fitscribe.dialects.trials import Trials
from fitscribe.dialects.values import Values
from fitscribe.errors import ServerError
from fitscribe.records import (
    Artifact,
    DatasetUsed,
    Drawing,
    ExperimentNamed,
    Metrics,
    ModelBegun,
    ModelLogged,
    Params,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    Tags,
)
from fitscribe.transport import Transport

__all__ = ["MLflow"]

GONE = "INVALID_STATE"  # the code for an experiment that is deleted

R = TypeVar("R", bound=Record)


class MLflow:
    """One endpoint. A parcel is planned as steps once; a step that was done is not done again after a failure."""

    tidies = True  # a run that ended comes once more, in a parcel that is `closing`

    def __init__(self, transport: Transport, uri: str) -> None:
        """Speak over `transport` to the endpoint with the canonical tracking URI `uri`."""
        self.transport = transport
        self.calls = Calls(transport, uri)
        self.told = Told()
        self.runs = Runs(self.calls, self.told)
        self.values = Values(self.calls, self.runs, self.told)
        self.files = Files(self.calls, self.runs)
        self.kept = Kept(self.calls, self.runs, self.files)
        self.logged = Logged(self.calls, self.runs, self.told)
        self.finished = Finished(self.calls, self.logged)
        self.trials = Trials(self.calls, self.runs, self.files)
        self.parallel = 1 if self.calls.local else 8  # the embedded store writes one thing at a time

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life from the endpoint."""
        return max(float(getattr(self.transport, "moved", 0.0)), self.files.moved)

    def close(self) -> None:
        """Let go of the transport's connections."""
        self.files.close()
        self.transport.close()

    def write(self, parcel: Parcel) -> None:
        """Write what is left of a parcel; see `Dialect.write`."""
        if parcel.address.refused:
            return parcel.refuse(parcel.records, parcel.address.refused)
        if parcel.closing:
            return self.runs.ghosts.lay(parcel)
        if parcel.rest is None:
            unless_over = Step(partial(self._plan_unless_over, parcel), parcel.records)
            parcel.rest = deque([unless_over] if parcel.posthumous else self._plan(parcel))
        while parcel.rest:
            step: Step = parcel.rest[0]
            try:
                more = step.do() or []
            except ServerError as error:
                more = self._refused(parcel, step, error)
            except Broken as error:
                more = self._judged(parcel, step, error)
            parcel.rest.popleft()
            parcel.rest.extendleft(reversed([*more, *self.trials.tidy(parcel, step)]))
            parcel.breakdowns.clear()
        return None

    def _judged(self, parcel: Parcel, step: Step, error: Broken) -> list[Step]:
        """Treat what the endpoint breaks down on as what it refuses, once that is proved."""
        try:
            return self.trials.judge(parcel, step, error)
        except ServerError as verdict:
            return [each._replace(suspect=True) for each in self._refused(parcel, step, verdict)]

    def _refused(self, parcel: Parcel, step: Step, error: ServerError) -> list[Step]:
        """Do something else instead, or set aside what a step said; where the run is missing, all the rest too."""
        if step.otherwise is not None:
            try:
                return step.otherwise(error)
            except ServerError as final:
                error = final
        gone = error.code == MISSING and not step.vital
        if gone and parcel.address.foreign:
            raise self.runs.missing(parcel) from None
        if gone or step.vital:
            parcel.book.refuse(parcel.run, str(error))
            for lost in parcel.rest:
                parcel.refuse(lost.records(parcel.run), str(error))
            parcel.rest = deque([step])
        else:
            parcel.refuse(step.records(parcel.run), str(error))
        return []

    def _plan_unless_over(self, parcel: Parcel) -> list[Step]:
        """Plan the end of a run whose process died, unless somebody else ended it."""
        if not parcel.book.theirs(parcel.run):
            self.runs.find(parcel)
        return [] if self.runs.is_over(parcel) else self._plan(parcel)

    def _plan(self, parcel: Parcel) -> list[Step]:
        tags = {key: Item("tags", key, value, r.at) for r in _of(parcel, Tags) for key, value in r.values.items()}
        there = [tag for tag in tags.values() if tag.value is not None]
        told = list(items(r for r in parcel.records if isinstance(r, Params | Metrics)))
        return [
            *self._first(parcel, there),
            *self.values.steps(parcel, [*_sound(parcel, told), *([] if _of(parcel, RunStarted) else there)]),
            *self._inputs(parcel, _of(parcel, DatasetUsed)),
            *(
                Step(partial(self._untag, parcel, t.key), [t.record(parcel.run)])
                for t in tags.values()
                if t not in there
            ),
            *(
                Step(partial(self.logged.begin, parcel, r), [], otherwise=partial(self.logged.as_artifacts, r))
                for r in _of(parcel, ModelBegun)
            ),
            *(
                Step(partial(self._file, parcel, r), [r], upload=True)
                for r in parcel.records
                if isinstance(r, Artifact | Drawing)
            ),
            Step(partial(self.kept.steps, parcel), []),
            *(Step(partial(self.finished.steps, parcel, r), [r]) for r in _of(parcel, ModelLogged)),
            *self._status(parcel),
            *(
                Step(partial(self.finished.registration.register, parcel, r), [r])
                for r in _of(parcel, ModelLogged)
                if r.register_as
            ),
        ]

    def _first(self, parcel: Parcel, tags: list[Item]) -> list[Step]:
        """Return the steps after which the run is there."""
        named = [Step(partial(self._experiment, r.name), [r]) for r in _of(parcel, ExperimentNamed)]
        started = _of(parcel, RunStarted)
        if started:
            born = {tag.key: tag.value for tag in tags}
            return [*named, self._create(parcel, started[0], born, 0)]
        if parcel.run and not parcel.book.theirs(parcel.run):
            return [*named, Step(partial(self.runs.find, parcel), [], vital=True)]
        return named

    def _create(self, parcel: Parcel, started: RunStarted, tags: dict[str, str], rung: int) -> Step:
        """Return the step that creates the run; where it is refused, the next one creates it with fewer tags."""

        def create() -> list[Step]:
            return self.values.steps(parcel, self.runs.create(parcel, started, tags, rung))

        def otherwise(error: ServerError) -> list[Step]:
            if (error.status != 400 or error.code == GONE) and not isinstance(error, Poison):
                raise error
            return [self._create(parcel, started, tags, rung + 1)]

        told: list[Record] = [started, *([Tags(parcel.run, started.at, dict(tags))] if tags else [])]
        return Step(create, told, vital=True, otherwise=otherwise if rung < LAST_RUNG else None)

    def _experiment(self, name: str) -> None:
        self.calls.experiment(name, "")

    def _inputs(self, parcel: Parcel, datasets: Sequence[DatasetUsed]) -> list[Step]:
        def otherwise(error: ServerError) -> list[Step]:
            if len(datasets) == 1 or not (error.status == 400 or isinstance(error, Poison)):
                raise error
            return [step for each in datasets for step in self._inputs(parcel, [each])]

        return [Step(partial(self._use, parcel, datasets), datasets, otherwise=otherwise)] if datasets else []

    def _use(self, parcel: Parcel, datasets: Sequence[DatasetUsed]) -> None:
        told = [_input(each) for each in datasets]
        body: dict[str, Any] = {"run_id": parcel.book.theirs(parcel.run), "datasets": told}
        if not self.calls.offers("log-inputs", f"datasets are in the artifact {DATASETS}", "runs/log-inputs", body):
            for record in datasets:
                parcel.keep(DATASETS, [_input(record)], record)
        self.told.used(body["run_id"], datasets)

    def _untag(self, parcel: Parcel, key: str) -> None:
        body = {"run_id": parcel.book.theirs(parcel.run), "key": key}
        try:
            self.calls.offers("delete-tag", "tags stay as they are there", "runs/delete-tag", body)
        except ServerError as error:
            if error.status != 404:  # it is gone: what was wanted
                raise

    def _file(self, parcel: Parcel, record: Artifact | Drawing) -> None:
        try:
            if isinstance(record, Drawing):
                self.files.draw(parcel, record)
            elif not self.kept.takes_in(parcel, record):
                self._upload(parcel, record)
        except Absent as error:
            if error.code:
                raise
            raise Broken(f"{self.calls.uri} answered {error.status} ({error.message}) to {record.path}") from None

    def _upload(self, parcel: Parcel, record: Artifact) -> None:
        home = self.logged.home(parcel, record.model)
        try:
            self.files.upload(parcel, record, home)
        except ServerError:
            self.finished.spoil(record)
            raise

    def _status(self, parcel: Parcel) -> list[Step]:
        """Return the step to the last status alone."""
        turns = [r for r in parcel.records if isinstance(r, RunEnded) or (isinstance(r, RunResumed) and r.reopen)]
        if not turns:
            return []
        last = turns[-1]
        if isinstance(last, RunResumed):
            return [Step(partial(self.runs.reopen, parcel, last.at), turns)]
        return [
            Step(partial(self.finished.late, parcel), []),
            Step(partial(self.runs.update, parcel, status=last.status, end_time=last.at), turns),
        ]


def _of(parcel: Parcel, kind: type[R]) -> list[R]:
    return [record for record in parcel.records if isinstance(record, kind)]


def _sound(parcel: Parcel, told: list[Item]) -> list[Item]:
    """Leave out steps beyond 64 bits: servers answer 200 to them and store 0."""
    beyond = [item for item in told if not -INT64 <= item.step < INT64]
    if not beyond:
        return told
    parcel.refuse((item.record(parcel.run) for item in beyond), "the step does not fit in 64 bits")
    return [item for item in told if -INT64 <= item.step < INT64]


def _input(used: DatasetUsed) -> dict[str, object]:
    facts = {name: getattr(used, name) for name in ("name", "digest", "source_type", "source", "schema", "profile")}
    tags = [{"key": "mlflow.data.context", "value": used.context}] if used.context else []
    return {"dataset": {name: value for name, value in facts.items() if value}, "tags": tags}
