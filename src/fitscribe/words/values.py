"""Params, metrics and tags of a run: any key is made legal, any value is written down or left out with a warning."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fitscribe.guard import guarded, warn_once
from fitscribe.records import Metrics, Params, Tags, now
from fitscribe.values import PARAM_LIMIT, TAG_LIMIT, legal_key, points, shortened, text, unique
from fitscribe.words.files import Files

__all__ = ["WHOLE_PARAMS", "Values"]

WHOLE_PARAMS = "fitscribe/params.json"


class Values(Files):
    """The words for what is a name and a value."""

    params: dict[str, str]
    whole: dict[str, str]
    before: dict[str, str]  # params that the endpoint had when the run was taken up: another value is drift

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

    @guarded("logging metrics")
    def log_metrics(self, values: Mapping[Any, object], step: int = 0, at: int | None = None) -> None:
        """Record the metric points of one step, now or at a time in milliseconds.

        What is no number is left out with one warning.
        """
        found, unfit = points(values)
        for key in unfit:
            kind = type(values[key]).__name__
            warn_once("the metric %s was given no number but %s; it is left out", legal_key(key), kind)
        if found:
            self.say(Metrics(self.id, now() if at is None else at, int(step), found))

    @guarded("setting tags")
    def set_tags(self, values: Mapping[Any, object]) -> None:
        """Set tags; a tag that is there gets the new value."""
        tags: dict[str, str | None] = {
            legal_key(key): shortened(text(value), TAG_LIMIT) for key, value in values.items()
        }
        if tags:
            self.say(Tags(self.id, now(), tags))


def _differ(before: str | None, words: str) -> bool:
    """True when a param had another value; the endpoint may have kept less of a long one."""
    return before is not None and words != before and shortened(words, max(3, len(before))) != before
