"""Recorder: an outlet that keeps what runs say, for tests of integrations. Nothing is written or sent."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from fitscribe import afterwards, delivery, records
from fitscribe.records import Artifact, Metrics, Params, Record, RunEnded, RunStarted, Tags
from fitscribe.run import Outlet, connect, opened

__all__ = ["Recorder"]

R = TypeVar("R", bound=Record)


class Recorder:
    """`with Recorder() as recorder:` - runs speak to it inside the block; `said` holds the records in order."""

    def __init__(self) -> None:
        """Start empty; nothing is connected until the block begins."""
        self.said: list[Record] = []
        self.contents: dict[str, bytes] = {}
        self._before: Outlet | None = None
        self._open: set[str] = set()

    def __enter__(self) -> Recorder:
        self._folder = tempfile.TemporaryDirectory(prefix="fitscribe-recorder-")
        delivery.connect()  # now and not with the first `autolog()`, which would take our place
        self._before, self._open = connect(self), set(opened)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        afterwards.drain(30)
        for run in [each for each in opened.values() if each.id not in self._open]:
            run.end()
            run.aside = True  # whoever listens next has not heard of it: what holds it may speak until it is collected
        connect(self._before)
        self._folder.cleanup()

    # what runs ask of an outlet

    def emit(self, record: Record) -> None:
        """Keep a record, after a round trip through its file form: what cannot be written down fails here."""
        self.said.append(records.decode(records.encode(record)))

    def snapshot(self, content: str | Path | bytes, name: str) -> str:
        """Keep a copy of a file or of bytes."""
        kept = f"{len(self.contents)}-{Path(name).name}"
        self.contents[kept] = content if isinstance(content, bytes) else Path(content).read_bytes()
        return kept

    def spool_path(self, name: str) -> Path:
        """Return a fresh path in a folder that goes with the block."""
        return Path(tempfile.mkdtemp(dir=self._folder.name)) / Path(name).name

    def spooled(self, path: Path) -> str:
        """Keep a file that was written to a `spool_path`."""
        return self.snapshot(path, path.name)

    def address(self) -> tuple[str, str, str]:
        """Return a tracking URI that leads nowhere."""
        return "file:///nowhere", "", ""

    def source(self) -> dict[str, str]:
        """Return no tags: who runs the test is not part of what it compares."""
        return {}

    def watch(self) -> None:
        """Runs end with the block."""

    # what tests ask

    def runs(self) -> list[RunStarted]:
        """Return the runs in the order they began, after work in the background is done."""
        return self._all(RunStarted)

    def run(self, name: str = "") -> RunStarted:
        """Return the one run there is (of that name); `AssertionError` when there is none or more than one."""
        found = [run for run in self.runs() if not name or run.name == name]
        assert len(found) == 1, f"one run {name!r} was expected; there are {[each.name for each in self.runs()]}"
        return found[0]

    def children(self, parent: RunStarted) -> list[RunStarted]:
        """Return the runs below a run."""
        return [run for run in self.runs() if run.parent == parent.run]

    def params(self, run: RunStarted) -> dict[str, str]:
        """Return all params of a run."""
        return {k: v for record in self._all(Params) if record.run == run.run for k, v in record.values.items()}

    def metrics(self, run: RunStarted) -> dict[str, float]:
        """Return the last value of each metric of a run."""
        return {k: v for record in self._all(Metrics) if record.run == run.run for k, v in record.values.items()}

    def history(self, run: RunStarted, key: str) -> list[tuple[int, float]]:
        """Return the steps and values of a metric, as they were said."""
        points = [record for record in self._all(Metrics) if record.run == run.run and key in record.values]
        return [(record.step, record.values[key]) for record in points]

    def tags(self, run: RunStarted) -> dict[str, str]:
        """Return the tags of a run as they are in the end."""
        tags: dict[str, str | None] = dict(run.tags)
        for record in self._all(Tags):
            if record.run == run.run:
                tags.update(record.values)
        return {key: value for key, value in tags.items() if value is not None}

    def artifacts(self, run: RunStarted) -> dict[str, bytes]:
        """Return the files of a run by their path; charts are not drawn, see `said`."""
        return {each.path: self.contents[each.file] for each in self._all(Artifact) if each.run == run.run}

    def status(self, run: RunStarted) -> str:
        """Return how a run ended, or RUNNING."""
        ends = [record.status for record in self._all(RunEnded) if record.run == run.run]
        assert len(ends) < 2, f"the run {run.name} ended {len(ends)} times"
        return ends[0] if ends else "RUNNING"

    def _all(self, kind: type[R]) -> list[R]:
        assert afterwards.drain(60), "work in the background did not end in a minute"
        return [record for record in self.said if isinstance(record, kind)]
