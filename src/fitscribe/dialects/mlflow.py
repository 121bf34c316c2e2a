"""The dialect of MLflow's REST protocol, spoken by MLflow servers, their relatives and the embedded store."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import msgspec

from fitscribe.dialects.answers import Absent
from fitscribe.dialects.batches import INT64, Item, items, packed
from fitscribe.dialects.calls import MISSING, Calls, Step
from fitscribe.dialects.files import Files
from fitscribe.dialects.parcels import Parcel
from fitscribe.dialects.runs import Runs
from fitscribe.dialects.values import Values
from fitscribe.errors import ServerError
from fitscribe.records import (
    Artifact,
    DatasetUsed,
    Drawing,
    ExperimentNamed,
    Metrics,
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

R = TypeVar("R", bound=Record)


class MLflow:
    """One endpoint. A parcel is planned as steps once; a step that was done is not done again after a failure."""

    def __init__(self, transport: Transport, uri: str) -> None:
        """Speak over `transport` to the endpoint with the canonical tracking URI `uri`."""
        self.transport = transport
        self.calls = Calls(transport, uri)
        self.runs = Runs(self.calls)
        self.values = Values(self.calls, self.runs)
        self.files = Files(self.calls, self.runs)
        self.parallel = 1 if self.calls.local else 8  # the embedded store writes one thing at a time

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life from the endpoint."""
        return float(getattr(self.transport, "moved", 0.0))

    def close(self) -> None:
        """Let go of the transport's connections."""
        self.transport.close()

    def write(self, parcel: Parcel) -> None:
        """Write what is left of a parcel; see `Dialect.write`."""
        if parcel.address.refused:
            return parcel.refuse(parcel.records, parcel.address.refused)
        if parcel.rest is None:
            parcel.rest = deque(self._plan(parcel))
        while parcel.rest:
            step: Step = parcel.rest[0]
            try:
                more = step.do() or []
            except ServerError as error:
                more = self._refused(parcel, step, error)
            parcel.rest.popleft()
            parcel.rest.extendleft(reversed(more))
        return None

    def _refused(self, parcel: Parcel, step: Step, error: ServerError) -> list[Step]:
        """Set aside what a step said; where the run itself is missing, all the rest too."""
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

    def _plan(self, parcel: Parcel) -> list[Step]:
        tags = {key: Item("tags", key, value, r.at) for r in _of(parcel, Tags) for key, value in r.values.items()}
        there = [tag for tag in tags.values() if tag.value is not None]
        first = self._first(parcel, there)
        told = list(items(r for r in parcel.records if isinstance(r, Params | Metrics)))
        batches = packed([*_sound(parcel, told), *([] if _of(parcel, RunStarted) else there)])
        return [
            *first,
            *(self.values.step(parcel, batch) for batch in batches),
            *self._inputs(parcel, _of(parcel, DatasetUsed)),
            *(
                Step(partial(self._untag, parcel, t.key), [t.record(parcel.run)])
                for t in tags.values()
                if t not in there
            ),
            *(Step(partial(self._file, parcel, r), [r]) for r in parcel.records if isinstance(r, Artifact | Drawing)),
            *(Step(partial(self._model, parcel, r), [r]) for r in _of(parcel, ModelLogged)),
            *self._status(parcel),
        ]

    def _first(self, parcel: Parcel, tags: list[Item]) -> list[Step]:
        """Return the steps after which the run is there."""
        named = [Step(partial(self._experiment, r.name), [r]) for r in _of(parcel, ExperimentNamed)]
        started = _of(parcel, RunStarted)
        if started:
            born = {tag.key: tag.value for tag in tags}
            return [*named, Step(partial(self._create, parcel, started[0], born), started, vital=True)]
        if parcel.run and not parcel.book.theirs(parcel.run):
            return [*named, Step(partial(self.runs.find, parcel), [], vital=True)]
        return named

    def _create(self, parcel: Parcel, started: RunStarted, tags: dict[str, str]) -> list[Step]:
        return [self.values.step(parcel, batch) for batch in packed(self.runs.create(parcel, started, tags).items)]

    def _experiment(self, name: str) -> None:
        self.calls.experiment(name, "")

    def _inputs(self, parcel: Parcel, datasets: Sequence[DatasetUsed]) -> list[Step]:
        return [Step(partial(self._use, parcel, datasets), datasets)] if datasets else []

    def _use(self, parcel: Parcel, datasets: Sequence[DatasetUsed]) -> list[Step]:
        if self.calls.lacks("log-inputs"):
            return []
        body = {"run_id": parcel.book.theirs(parcel.run), "datasets": [_input(each) for each in datasets]}
        try:
            self.calls.ask("POST", "runs/log-inputs", body)
        except Absent:
            self.calls.note_absent("log-inputs", "datasets are not recorded there")
        except ServerError as error:
            if error.status != 400 or len(datasets) == 1:
                raise
            return [step for each in datasets for step in self._inputs(parcel, [each])]
        return []

    def _untag(self, parcel: Parcel, key: str) -> None:
        try:
            self.calls.ask("POST", "runs/delete-tag", {"run_id": parcel.book.theirs(parcel.run), "key": key})
        except Absent:
            self.calls.note_absent("delete-tag", "tags stay as they are there")
        except ServerError as error:
            if error.status != 404:  # it is gone: what was wanted
                raise

    def _file(self, parcel: Parcel, record: Artifact | Drawing) -> None:
        if isinstance(record, Artifact):
            self.files.upload(parcel, record)
        else:
            self.files.draw(parcel, record)

    def _model(self, parcel: Parcel, record: ModelLogged) -> None:
        if record.register_as:
            words = f"registering the model as {record.register_as!r} is not supported yet; its files are in the run"
            parcel.refuse([record], words)
        if self.calls.lacks("log-model"):
            return
        theirs = parcel.book.theirs(parcel.run)
        mlmodel = {**msgspec.json.decode(record.mlmodel), "run_id": theirs, "artifact_path": record.path}
        body = {"run_id": theirs, "model_json": msgspec.json.encode(mlmodel).decode()}
        try:
            self.calls.ask("POST", "runs/log-model", body)
        except Absent:
            self.calls.note_absent("log-model", "models are there as artifacts alone")

    def _status(self, parcel: Parcel) -> list[Step]:
        """Return the step to the last status alone."""
        turns = [r for r in parcel.records if isinstance(r, RunEnded) or (isinstance(r, RunResumed) and r.reopen)]
        if not turns:
            return []
        last = turns[-1]
        fields = {"status": last.status, "end_time": last.at} if isinstance(last, RunEnded) else {"status": "RUNNING"}
        return [Step(partial(self.runs.update, parcel, **fields), turns)]


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
