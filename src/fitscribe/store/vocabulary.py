"""What filters and orderings may speak of: entities, their keys, and what each may be compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["EXPERIMENTS", "LOGGED", "MODELS", "RUNS", "VERSIONS", "Field", "Vocabulary"]

NUMBERS = ("=", "!=", "<", "<=", ">", ">=")
TEXTS = ("=", "!=", "LIKE", "ILIKE", "IN", "NOT IN")
OPTIONAL = (*TEXTS, "IS NULL", "IS NOT NULL")


class Field(NamedTuple):
    """How a key may be compared: with numbers (`whole`: without a fraction; `quotable`: also in quotes) or texts."""

    operators: tuple[str, ...]
    numeric: bool = False
    whole: bool = False
    quotable: bool = False


class Vocabulary(NamedTuple):
    """The words of one kind of search."""

    examples: str
    entities: Mapping[str, str]  # every spelling, and what it means
    default: str  # the entity of a key that stands alone
    fields: Mapping[str, Field | Mapping[str, Field]]  # of each entity: for all keys, or for those there are
    aliases: Mapping[str, str]
    unsortable: tuple[str, ...] = ()

    @property
    def spellings(self) -> list[str]:
        """The spelling of each entity that is shown to people: the first."""
        return [word for word, _ in self._first]

    @property
    def _first(self) -> list[tuple[str, str]]:
        entities = list(self.entities.values())
        return [
            (word, each) for index, (word, each) in enumerate(self.entities.items()) if each not in entities[:index]
        ]

    def known(self, entity: str, key: str) -> str:
        """Return the proper name of a key, or an empty text if the entity has no such key."""
        fields = self.fields[entity]
        if isinstance(fields, Field):
            return key
        key = self.aliases.get(key, key)
        return key if key in fields else ""

    def keys(self, entity: str) -> str:
        """Say what keys an entity has."""
        fields = self.fields[entity]
        return f"use one of {', '.join(fields)}" if not isinstance(fields, Field) else "any key will do"

    def field(self, entity: str, key: str) -> Field:
        """Return how a known key may be compared."""
        fields = self.fields[entity]
        return fields if isinstance(fields, Field) else fields[key]

    def sortable(self, entity: str) -> bool:
        """True if results can be sorted by the keys of an entity."""
        return entity not in self.unsortable

    def sorted_by(self) -> str:
        """Say what results can be sorted by."""
        sortable = [(word, self.fields[entity]) for word, entity in self._first if self.sortable(entity)]
        keys: list[str] = []
        for word, fields in sortable:
            keys += [f"{word}.<key>"] if isinstance(fields, Field) else [f"{word}.{key}" for key in fields]
        return f"use one of {', '.join(keys)}"


_time = Field(NUMBERS, numeric=True)
_text = Field(TEXTS)

RUNS = Vocabulary(
    examples="a field such as metrics.accuracy, params.`learning rate`, tags.team or attributes.status",
    entities={
        **dict.fromkeys(("metrics", "metric"), "metric"),
        **dict.fromkeys(("params", "param", "parameters", "parameter"), "param"),
        **dict.fromkeys(("tags", "tag"), "tag"),
        **dict.fromkeys(("attributes", "attribute", "attr", "run"), "attribute"),
        **dict.fromkeys(("datasets", "dataset"), "dataset"),
    },
    default="attribute",
    fields={
        "metric": Field(NUMBERS, numeric=True),
        "param": Field(OPTIONAL),
        "tag": Field(OPTIONAL),
        "attribute": {
            **dict.fromkeys(("run_id", "run_name", "status", "user_id", "artifact_uri"), _text),
            **dict.fromkeys(("start_time", "end_time"), _time),
        },
        "dataset": dict.fromkeys(("name", "digest", "context"), _text),
    },
    aliases={
        **dict.fromkeys(("created", "Created"), "start_time"),
        **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name"),
    },
    unsortable=("dataset",),
)

_whole = Field(NUMBERS, numeric=True, whole=True)

EXPERIMENTS = Vocabulary(
    examples="a field such as name, tags.team or creation_time",
    entities={
        **dict.fromkeys(("attributes", "attribute", "attr"), "attribute"),
        **dict.fromkeys(("tags", "tag"), "tag"),
    },
    default="attribute",
    fields={
        "attribute": {
            **dict.fromkeys(("name", "experiment_id"), _text),
            **dict.fromkeys(("creation_time", "last_update_time"), _whole),
        },
        "tag": Field(OPTIONAL),
    },
    aliases={},
    unsortable=("tag",),
)

_times = ("creation_timestamp", "last_updated_timestamp")
_registry = {
    **dict.fromkeys(("attributes", "attribute", "attr"), "attribute"),
    **dict.fromkeys(("tags", "tag"), "tag"),
}

MODELS = Vocabulary(
    examples="a field such as name or tags.team",
    entities=_registry,
    default="attribute",
    fields={"attribute": {"name": _text, **dict.fromkeys(_times, _whole)}, "tag": Field(OPTIONAL)},
    aliases={"timestamp": "last_updated_timestamp"},
    unsortable=("tag",),
)

VERSIONS = Vocabulary(
    examples="a field such as name, version_number, run_id, source_path or tags.team",
    entities=_registry,
    default="attribute",
    fields={
        "attribute": {
            **dict.fromkeys(("name", "run_id", "source_path"), _text),
            "version_number": Field(NUMBERS, numeric=True, whole=True, quotable=True),
            **dict.fromkeys(_times, _whole),
        },
        "tag": Field(OPTIONAL),
    },
    aliases={},
    unsortable=("tag",),
)

LOGGED = Vocabulary(
    examples="a field such as name, metrics.accuracy, params.C, tags.team or status",
    entities={
        **dict.fromkeys(("attributes", "attribute", "attr"), "attribute"),
        **dict.fromkeys(("metrics", "metric"), "metric"),
        **dict.fromkeys(("params", "param", "parameters", "parameter"), "param"),
        **dict.fromkeys(("tags", "tag"), "tag"),
    },
    default="attribute",
    fields={
        "attribute": {
            **dict.fromkeys(("name", "model_id", "model_type", "status", "source_run_id"), _text),
            **dict.fromkeys(("creation_timestamp", "last_updated_timestamp"), _whole),
        },
        "metric": Field(NUMBERS, numeric=True),
        "param": Field(OPTIONAL),
        "tag": Field(OPTIONAL),
    },
    aliases={
        **dict.fromkeys(("creation_time", "creation_timestamp_ms"), "creation_timestamp"),
        **dict.fromkeys(("last_updated_time", "last_updated_timestamp_ms"), "last_updated_timestamp"),
    },
    unsortable=("param", "tag"),
)
