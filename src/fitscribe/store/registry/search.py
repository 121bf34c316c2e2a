"""Searches for registered models and their versions: which fit, in what order, one page of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, case, exists, not_, select

from fitscribe.store.database import Database
from fitscribe.store.fields import Body, page_size, text, texts
from fitscribe.store.filters import compared, labelled
from fitscribe.store.grammar import Comparison, Ordering, parse_filter, parse_ordering
from fitscribe.store.paging import offset, page
from fitscribe.store.refusal import invalid
from fitscribe.store.registry import shapes
from fitscribe.store.registry.notices import PROMPT
from fitscribe.store.registry.rows import VERSION
from fitscribe.store.registry.tables import (
    model_version_tags,
    model_versions,
    registered_model_tags,
    registered_models,
)
from fitscribe.store.vocabulary import MODELS, VERSIONS, Vocabulary

__all__ = ["search_models", "search_versions"]

MODELS_PAGE, MOST_MODELS = 100, 1000
VERSIONS_PAGE = MOST_VERSIONS = 200_000
NEWEST = ("last_updated_timestamp DESC", "name ASC", "version_number DESC")


def search_models(database: Database, body: Body) -> dict[str, Any]:
    """Answer registered-models/search; by name unless told otherwise."""
    columns = registered_models.c
    attributes: dict[str, ColumnElement[Any]] = {
        "name": columns.name,
        "creation_timestamp": columns.creation_time,
        "last_updated_timestamp": columns.last_update_time,
    }
    comparisons = parse_filter(text(body, "filter"), MODELS)
    size, start = page_size(body, MOST_MODELS, MODELS_PAGE), offset(body)
    owned = registered_model_tags.c.model == columns.id
    query = select(registered_models).where(*_conditions(comparisons, attributes, registered_model_tags, owned))
    query = _sorted(query, _orderings(body, MODELS, ()), attributes, ("name ASC",))
    with database.reading() as connection:
        rows, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
        found = shapes.models(connection, database.artifacts, rows)
    return {**({"registered_models": found} if found else {}), **token}


def search_versions(database: Database, body: Body) -> dict[str, Any]:
    """Answer model-versions/search; what was changed last comes first unless told otherwise."""
    columns = model_versions.c
    home = f"{database.artifacts.as_uri()}/"
    attributes: dict[str, ColumnElement[Any]] = {
        "name": registered_models.c.name,
        "version_number": columns.version,
        "run_id": columns.run_id,
        "source_path": case((columns.ours, home + columns.source), else_=columns.source),
        "creation_timestamp": columns.creation_time,
        "last_updated_timestamp": columns.last_update_time,
    }
    comparisons = parse_filter(text(body, "filter"), VERSIONS)
    size, start = page_size(body, MOST_VERSIONS, VERSIONS_PAGE), offset(body)
    owned = model_version_tags.c.version == columns.id
    query = VERSION.where(*_conditions(comparisons, attributes, model_version_tags, owned))
    query = _sorted(query, _orderings(body, VERSIONS, NEWEST), attributes, ("name ASC", "version_number DESC"))
    with database.reading() as connection:
        rows, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
        found = shapes.versions(connection, database.artifacts, rows)
    return {**({"model_versions": found} if found else {}), **token}


def _conditions(
    comparisons: list[Comparison], attributes: dict[str, ColumnElement[Any]], table: Table, owned: ColumnElement[bool]
) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter. Prompts are kept as models with a tag, and found only by that tag."""
    prompt = exists().where(owned, table.c.key == PROMPT, table.c.value == "true")
    asked = [each for each in comparisons if each.entity == "tag" and each.key == PROMPT]
    found = [prompt if any(_for_prompts(each) for each in asked) else not_(prompt)]
    for each in comparisons:
        if each.entity == "attribute":
            found.append(compared(attributes[each.key], each))
        elif each not in asked:
            found.append(labelled(table, owned, each))
    return found


def _for_prompts(comparison: Comparison) -> bool:
    return (comparison.operator, str(comparison.value).lower()) in (("=", "true"), ("!=", "false"))


def _orderings(body: Body, vocabulary: Vocabulary, usual: tuple[str, ...]) -> list[Ordering]:
    found = [parse_ordering(each, vocabulary) for each in texts(body, "order_by", query=True)]
    keys = [each.key for each in found]
    for key in keys:
        if keys.count(key) > 1:
            raise invalid(f"order_by names {key!r} twice; name each field once")
    return found or [parse_ordering(each, vocabulary) for each in usual]


def _sorted(
    query: Select[Any], orderings: list[Ordering], attributes: dict[str, ColumnElement[Any]], last: tuple[str, ...]
) -> Select[Any]:
    """Sort as told, and what is equal by `last`."""
    sorted_by = {each.key: each.descending for each in orderings}
    for words in last:
        key, _, direction = words.partition(" ")
        sorted_by.setdefault(key, direction == "DESC")
    return query.order_by(
        *(attributes[key].desc() if descending else attributes[key].asc() for key, descending in sorted_by.items())
    )
