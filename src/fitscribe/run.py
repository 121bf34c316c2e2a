"""Run: what can be said about one training, by an integration.

These words never raise and never refuse: a key is made legal, a long value is cut (and kept whole in
`fitscribe/params.json`), what cannot be recorded is left out with one warning. The direct API, which does
raise, is in `active.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from fitscribe import afterwards, ranks
from fitscribe.config import canonical_uri, settings, without_credentials
from fitscribe.errors import FitscribeError
from fitscribe.guard import guarded, warn_once
from fitscribe.records import (
    Artifact,
    Bars,
    DatasetUsed,
    Drawing,
    Heatmap,
    Lines,
    Metrics,
    ModelBegun,
    ModelLogged,
    Params,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
    Status,
    Tags,
    new_id,
    now,
)
from fitscribe.values import PARAM_LIMIT, TAG_LIMIT, legal_key, number, shortened, text, unique

if TYPE_CHECKING:
    from fitscribe.models.signature import ModelSignature

__all__ = ["WHOLE_PARAMS", "Outlet", "Run", "connect", "opened", "outlet", "set_aside", "status_of"]

WHOLE_PARAMS = "fitscribe/params.json"


class Outlet(Protocol):
    """Where runs say what they have to say; `fluent.py` connects the real one, a test its recorder."""

    def emit(self, record: Record) -> None:
        """Take a record; it is safe when this returns."""

    def snapshot(self, content: str | Path | bytes, name: str) -> str:
        """Keep a copy of a file or of bytes; return the name for `Artifact.file`."""

    def spool_path(self, name: str) -> Path:
        """Return a fresh path to write a file to; its name goes through `spooled`."""

    def spooled(self, path: Path) -> str:
        """Return the name for `Artifact.file` of a file written to a `spool_path`."""

    def address(self) -> tuple[str, str, str]:
        """Return tracking URI, experiment name and experiment id for a run that starts now."""

    def source(self) -> dict[str, str]:
        """Return the tags that say who and what runs here, as far as they are cheap to know."""

    def watch(self) -> None:
        """A run is open from now on: see to it that it ends as its process does."""


_outlet: Outlet | None = None


def connect(where: Outlet | None) -> Outlet | None:
    """Let runs speak to `where` from now on; return who listened before."""
    global _outlet
    before, _outlet = _outlet, where
    return before


def outlet() -> Outlet:
    """Return who listens now. `RuntimeError` when nobody was connected, which no user can bring about."""
    if _outlet is None:
        raise RuntimeError("no outlet is connected; import fitscribe.fluent first")
    return _outlet


def status_of(error: BaseException | None) -> Status:
    """FINISHED without an error; KILLED for Ctrl-C and `sys.exit`; else FAILED."""
    if error is None:
        return "FINISHED"
    return "FAILED" if isinstance(error, Exception) else "KILLED"


class Run:
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

    @guarded("logging params")
    def log_params(self, values: Mapping[Any, object]) -> None:
        """Record params; any value is written as text. One that has another value already is left as it is."""
        fresh: dict[str, str] = {}
        long: dict[str, str] = {}
        for key, value in zip(unique(map(legal_key, values)), values.values(), strict=True):
            words = text(value)
            if self.params.setdefault(key, words) != words:
                warn_once("the param %s has a value already and is not written again: %.80s", key, words)
                continue
            if len(words) > PARAM_LIMIT:
                long[key] = words
            fresh[key] = shortened(words, PARAM_LIMIT)
        self.say_params(fresh)
        if long:
            self.keep_whole(long)

    def say_params(self, values: Mapping[str, str]) -> None:
        """Record params that have no value from this process; one with another value from before becomes a tag."""
        drift = {key: words for key, words in values.items() if _differ(self.before.get(key), words)}
        if fresh := {key: words for key, words in values.items() if key not in self.before}:
            self.say(Params(self.id, now(), fresh))
        if drift:
            self.set_tags({f"fitscribe.drift.{key}": words for key, words in drift.items()})

    def keep_whole(self, params: Mapping[str, str]) -> None:
        """Keep params that are too long for a server, whole, in one artifact of the run."""
        self.whole.update(params)
        self.log_text(json.dumps(self.whole, indent=2, ensure_ascii=False), WHOLE_PARAMS)

    def say(self, record: Record) -> None:
        """Hand a record of this run to the outlet."""
        if not self.aside:
            outlet().emit(record)
        elif isinstance(record, Metrics):
            self.metrics.update(record.values)
        elif isinstance(record, Tags):
            self.tags.update({key: value for key, value in record.values.items() if value is not None})

    def keep(self, content: str | Path | bytes, path: str, model: str = "") -> None:
        """Record a copy of a file, or bytes, as the artifact `path`. `OSError`: it cannot be read."""
        if not self.aside:
            outlet().emit(Artifact(self.id, now(), path, outlet().snapshot(content, path), model))

    @guarded("logging metrics")
    def log_metrics(self, values: Mapping[Any, object], step: int = 0, at: int | None = None) -> None:
        """Record the metric points of one step; what is no number is left out with one warning."""
        points: dict[str, float] = {}
        for key, value in zip(unique(map(legal_key, values)), values.values(), strict=True):
            found = number(value)
            if found is None:
                warn_once("the metric %s was given no number but %s; it is left out", key, type(value).__name__)
            else:
                points[key] = found
        if points:
            self.say(Metrics(self.id, now() if at is None else at, int(step), points))

    @guarded("setting tags")
    def set_tags(self, values: Mapping[Any, object]) -> None:
        """Set tags; a tag that is there gets the new value."""
        tags: dict[str, str | None] = {
            legal_key(key): shortened(text(value), TAG_LIMIT) for key, value in values.items()
        }
        if tags:
            self.say(Tags(self.id, now(), tags))

    @guarded("logging a text")
    def log_text(self, words: str, path: str, model: str = "") -> None:
        """Record a text as the artifact `path` (UTF-8), one of the model that has begun under the id `model`."""
        self.log_bytes(words.encode("utf-8", "backslashreplace"), path, model)

    @guarded("logging an artifact")
    def log_bytes(self, content: bytes, path: str, model: str = "") -> None:
        """Record bytes as the artifact `path`."""
        self.keep(content, path, model)

    @guarded("logging a file")
    def log_file(self, file: str | Path, path: str) -> None:
        """Record a copy of a file, as it is now, as the artifact `path`."""
        self.keep(Path(file), path)

    @guarded("logging a checkpoint")
    def log_checkpoint(self, file: str | Path, path: str) -> None:
        """Record a file that training left as the artifact `path`, once for each state of it.

        One of more than FITSCRIBE_MODEL_LIMIT (500 MB) is not copied: its path, size and hash are recorded instead.
        """
        from fitscribe import checkpoints

        if not self.aside:
            checkpoints.record(self, file, path)

    def spool_path(self, name: str) -> Path:
        """Return a fresh path for a file that is then recorded by `log_spooled`."""
        return outlet().spool_path(name)

    def log_spooled(self, file: Path, path: str, model: str = "") -> None:
        """Record a file that was written to an outlet's `spool_path`; it is not copied again."""
        self.say(Artifact(self.id, now(), path, outlet().spooled(file), model))

    @guarded("logging a chart")
    def log_chart(self, chart: Lines | Heatmap | Bars, path: str) -> None:
        """Record a chart, drawn as the PNG `path` in the background; without matplotlib it is left out."""
        self.say(Drawing(self.id, now(), path, chart))

    @guarded("logging a dataset")
    def log_dataset(self, facts: Mapping[str, str], context: str, name: str = "dataset") -> None:
        """Record a dataset input from its digest, schema and profile; `context` is `train`, `eval`, ..."""
        self.say(DatasetUsed(self.id, now(), name=name, context=context, **facts))

    @guarded("logging the model")
    def log_model(
        self,
        model: Any,
        path: str = "model",
        *,
        flavor: str = "sklearn",
        model_input: Any = None,
        signature: bool | ModelSignature = True,
        input_example: bool = False,
        witness: Any = None,
        register_as: str = "",
        params: Mapping[str, object] | None = None,
        **options: Any,
    ) -> None:
        """Record a model as a model directory under `path`: written now, described in the background.

        `model_input` is what it was trained on; its first rows tell the signature, unless that is given, and are the
        example if wanted.
        A `witness` predicts them in the model's place; `params` are what was configured, if not the params of the run;
        `register_as` is the registered model that it becomes a version of; `options` are the flavor's. What cannot be
        written, or has more than `limit` bytes, is left out, and the tag `fitscribe.model` says why.
        """
        from fitscribe import modeling
        from fitscribe.models.wishes import Wishes

        if self.aside:
            return
        asked = model if witness is None else witness
        found, example = modeling.looked_at(
            asked, model_input, flavor=flavor, signature=signature is True, input_example=input_example, options=options
        )
        wished = Wishes(signature=found if isinstance(signature, bool) else signature, example=example)
        try:
            modeling.record(
                self,
                model,
                path,
                flavor=flavor,
                wished=wished,
                options=options,
                register_as=register_as,
                params=params,
            )
        except FitscribeError as error:  # the rest of the run is none the worse
            self.set_tags({"fitscribe.model": f"left out: {error}"})
            warn_once("the model is left out: %s", error)

    @guarded("beginning a model")
    def model_begun(
        self,
        path: str,
        model: str,
        params: Mapping[str, object] | None = None,
        *,
        tags: Mapping[str, object] | None = None,
        model_type: str = "",
        step: int = 0,
    ) -> None:
        """Say that a model directory begins at `path`, under a new id of ours (`m-` and 32 hex characters).

        Its files are recorded with that id. Without `params`, those of the run are its own.
        """
        told = {legal_key(key): shortened(text(value), PARAM_LIMIT) for key, value in (params or {}).items()}
        labels = {legal_key(key): shortened(text(value), TAG_LIMIT) for key, value in (tags or {}).items()}
        self.say(ModelBegun(self.id, now(), model, path, told, labels, model_type, step))

    @guarded("logging a model")
    def model_logged(self, path: str, mlmodel: Mapping[str, object], register_as: str = "", model: str = "") -> None:
        """Say that the artifacts under `path` are a model directory, described by its MLmodel content."""
        registry = self._registry() if register_as else ""
        self.say(ModelLogged(self.id, now(), path, json.dumps(mlmodel, default=str), register_as, model, registry))

    def _registry(self) -> str:
        """Return where models are registered now, if not where this run goes."""
        given = settings().registry_uri
        found = without_credentials(canonical_uri(given)) if given else ""
        return "" if found == without_credentials(self.to) else found

    def child(self, name: str = "", tags: Mapping[str, object] | None = None, at: int | None = None) -> Run:
        """Begin a run below this one, now or at a time in milliseconds; `end` it yourself."""
        return Run.start(name, parent=self, tags=tags, at=at)

    def later(self, piece: Callable[[], object]) -> None:
        """Call `piece()` in the background before the run ends; it must hold copies of what may change."""
        if not self.aside:
            self.deferred = True
            afterwards.do(piece)

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
            afterwards.do(lambda: self.say(record))
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


def _differ(before: str | None, words: str) -> bool:
    """True when a param had another value; the endpoint may have kept less of a long one."""
    return before is not None and words != before and shortened(words, max(3, len(before))) != before


opened: dict[str, Run] = {}
"""The runs of this process that have not ended, oldest first."""

set_aside: dict[str, Run] = {}
"""The runs of this process that another rank records: their ids are known to nobody else."""
