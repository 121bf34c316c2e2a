"""Datasets of a run: digest, schema and profile of what was trained on; the data is looked at, never kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitscribe.guard import guarded
from fitscribe.records import DatasetUsed, now
from fitscribe.words.values import Values

__all__ = ["Datasets"]

WIDE = 2000  # columns of a frame, beyond which to tell them one by one takes longer than many a fit
_FRAMES = ("frame", "polars frame", "arrow")


class Datasets(Values):
    """The words for data."""

    @guarded("logging a dataset")
    def log_dataset(self, facts: Mapping[str, str], context: str, name: str = "dataset") -> None:
        """Record a dataset input from its digest, schema and profile; `context` is `train`, `eval`, ..."""
        self.say(DatasetUsed(self.id, now(), name=name, context=context, **facts))

    def log_data(self, X: Any, y: Any = None, *, context: str = "train", name: str = "dataset") -> str:
        """Record what data is, from its features and targets; return its digest, or "" where it has none.

        Arrays, frames of pandas, polars and Arrow, sparse matrices, lists, and dicts of arrays are looked at and
        neither copied nor changed. An iterator is not touched and what is lazy not computed: of these, and of what is
        no table, a tag (`fitscribe.dataset`) says that it was left out.
        """
        found: str | None = self._looked_at(X, y, context, name)
        return found or ""

    @guarded("recording the dataset")
    def _looked_at(self, X: Any, y: Any, context: str, name: str) -> str:
        from fitscribe.models import datasets, kinds

        if self.aside or X is None:
            return ""
        if left_out := _untouched(X):
            self.set_tags({"fitscribe.dataset": f"left out: {left_out}"})
            return ""
        if kinds.kind_of(X) in _FRAMES and X.shape[1] > WIDE:
            self.set_tags({"fitscribe.schema": f"left out: {X.shape[1]} columns"})
        facts = datasets.describe(X, None if y is None or _untouched(y) else y)
        if facts is None:
            self.set_tags({"fitscribe.dataset": f"left out: {type(X).__qualname__}"})
            return ""
        self.log_dataset(facts, context, name)
        return facts["digest"]


def _untouched(data: Any) -> str:
    """Say why data is not looked at, or "": an iterator is the user's to consume, and a lazy frame to compute."""
    from fitscribe.models import kinds

    if kinds.is_lazy(data):
        return "a LazyFrame, which is never collected here"
    return f"{type(data).__qualname__}, which is used up by a look" if hasattr(data, "__next__") else ""
