"""Evaluation: what is measured of a model after its fit, written to the run of that fit in the background.

Keys are MLflow's, `{metric}[-{n}]_{dataset}`, with `n` counted for each metric and dataset, so that they can be
compared between runs. The same call with the same result, such as that of a cell run again, is told once.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import deque
from typing import Any, NamedTuple

from fitscribe import guarded
from fitscribe.integrations.identity import ByIdentity, weakly
from fitscribe.integrations.sklearn.results import as_json, numbers, plain
from fitscribe.integrations.sklearn.written import Argument, Call, Place, variable
from fitscribe.models.kinds import is_lazy

__all__ = ["Data", "Evaluation", "Measured"]

UNKNOWN = "unknown_dataset"  # MLflow's word for data that has no name
ILLEGAL = re.compile(r"[^\w.\- /]")  # in a key: `<lambda>`
MOST = 500  # keys of one run: a loop that evaluates new data for ever has to end somewhere


class Data:
    """Data that a model was asked about: where its name stands, and the data itself for as long as it lives."""

    def __init__(self, table: Any, place: Place, argument: Argument) -> None:
        """Take no look into the data."""
        self.place, self.argument = place, argument
        self.reference = weakly(table)
        size = len(table) if hasattr(table, "__len__") and not hasattr(table, "shape") else None
        self.shape = (type(table).__name__, tuple(getattr(table, "shape", ())) or size)
        self.digest = self.label = ""

    def same(self, other: Data) -> bool:
        """Say whether two of one name are the same data, as far as it can be known."""
        return self.digest == other.digest if self.digest and other.digest else self.shape == other.shape


class Measured(NamedTuple):
    """One result: of a call of `metric`, about `data`, with the true values `y` (a weak reference), at step `step`."""

    metric: str
    result: Any
    call: Call
    data: Data
    y: Any
    step: int
    at: int


class Evaluation:
    """What is measured of the models of one fit."""

    def __init__(self, run: Any, digest: str | None) -> None:
        """`digest` is that of the training data; None where no datasets are to be recorded."""
        self.run, self.process, self.step = run, os.getpid(), 0
        self.tables: ByIdentity[Data] = ByIdentity()
        self.log_datasets = digest is not None
        self.digests = {digest}
        self.named: dict[str, list[Data]] = {}
        self.told: dict[tuple[str, str, int], list[str]] = {}
        self.info: dict[str, str] = {}
        self.waiting: deque[Measured] = deque()
        self.asked_for = False  # that what waits is recorded

    def data(self, table: Any, place: Place, argument: Argument) -> Data:
        """Return what is known of a table; the same object is the same data."""
        found = self.tables.get(table)
        if found is None:
            found = Data(table, place, argument)
            if found.reference is not None:
                self.tables.put(table, found)
        return found

    def note(self, metric: str, result: Any, call: Call, data: Data, y: Any, step: int) -> None:
        """Record a result, if it is numbers, in the background; of what was said in quick succession all at once."""
        kept = plain(result)
        if kept is None or self.process != os.getpid():
            return
        self.waiting.append(Measured(metric, kept, call, data, weakly(y), step, round(time.time() * 1000)))
        if not self.asked_for:
            self.asked_for = True
            self.run.later(self._record_all)

    def _record_all(self) -> None:
        self.asked_for = False
        known = len(self.info)
        while self.waiting:
            self._record(self.waiting.popleft())
        if len(self.info) > known:
            self.run.log_text(json.dumps(self.info, indent=1), "metric_info.json")

    @guarded("recording a metric after the fit")
    def _record(self, measured: Measured) -> None:
        if not measured.data.label:
            self._describe(measured)
        key = self._key(measured)
        if not key:
            return
        if isinstance(measured.result, float):
            self.run.log_metrics({key: measured.result}, step=measured.step, at=measured.at)
        elif isinstance(measured.result, dict) and (found := dict(numbers(key, measured.result))):
            self.run.log_metrics(found, step=measured.step, at=measured.at)
        else:
            self._keep(key, measured.result)

    def _keep(self, key: str, result: Any) -> None:
        if isinstance(result, str):
            self.run.log_text(result, f"evaluation/{key}.txt")
        else:
            self.run.log_text(as_json(result), f"evaluation/{key}.json")

    def _describe(self, measured: Measured) -> None:
        """Give data its label: its name, with a number where other data had the name before."""
        data = measured.data
        if self.log_datasets:
            self._log_dataset(data, measured.y)
        name = variable(data.place, data.argument)
        others = self.named.setdefault(name, [])
        place = next((at for at, each in enumerate(others) if each.same(data)), len(others))
        if place == len(others):
            others.append(data)
        data.label = (name if place == 0 else f"{name}-{place + 1}") if name else UNKNOWN

    @guarded("recording the dataset")
    def _log_dataset(self, data: Data, y: Any) -> None:
        """Record data as an input, unless it is the training data, or nobody has it any more."""
        from fitscribe.models import datasets

        table = data.reference() if data.reference is not None else None
        facts = None if table is None or is_lazy(table) else datasets.describe(table, y() if y is not None else None)
        if facts is not None:
            data.digest = facts["digest"]
            if data.digest not in self.digests:
                self.digests.add(data.digest)
                self.run.log_dataset(facts, "eval")

    def _key(self, measured: Measured) -> str:
        """Return the key of a result; "" for one that is told already, or one too many."""
        words = measured.call.text()
        before = self.told.setdefault((measured.metric, measured.data.label, measured.step), [])
        content = f"{words} {measured.result!r}"
        if content in before:
            return ""
        number = f"-{len(before) + 1}" if before else ""
        key = ILLEGAL.sub("_", f"{measured.metric}{number}_{measured.data.label}")
        if key not in self.info and len(self.info) >= MOST:
            self.run.set_tags({"fitscribe.metrics_after_fit": f"only the first {MOST} are recorded"})
            return ""
        before.append(content)
        self.info.setdefault(key, words)
        return key
