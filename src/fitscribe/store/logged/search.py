"""Searches for logged models: which fit, in what order, one page of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, exists, not_, or_, select

from fitscribe.store.database import Database
from fitscribe.store.fields import Body, identifier_of, items, page_size, required, text, texts, wrong
from fitscribe.store.filters import compared, labelled
from fitscribe.store.grammar import Comparison, Ordering, parse_filter
from fitscribe.store.logged.data import shapes
from fitscribe.store.logged.models import MODEL
from fitscribe.store.logged.tables import logged_metrics, logged_models, logged_params, logged_tags
from fitscribe.store.paging import offset, page
from fitscribe.store.refusal import invalid
from fitscribe.store.vocabulary import LOGGED

__all__ = ["search"]

MOST, USUAL = 1000, 50
COLUMNS: dict[str, ColumnElement[Any]] = {
    **{name: logged_models.c[name] for name in ("name", "model_id", "model_type", "status", "source_run_id")},
    "creation_timestamp": logged_models.c.creation_time,
    "last_updated_timestamp": logged_models.c.last_update_time,
}
TABLES = {"param": logged_params, "tag": logged_tags}


def search(database: Database, body: Body) -> dict[str, Any]:
    """Answer logged-models/search; by default the newest come first."""
    wanted = sorted({identifier_of("experiment_ids", each) for each in texts(body, "experiment_ids")})
    if not wanted:
        raise invalid("Missing value for required parameter 'experiment_ids'.")
    comparisons = parse_filter(text(body, "filter"), LOGGED)
    datasets = [(required(each, "dataset_name"), text(each, "dataset_digest")) for each in items(body, "datasets")]
    orderings = [_ordering(each) for each in items(body, "order_by")]
    size, start = page_size(body, MOST, USUAL), offset(body)
    query = MODEL.where(logged_models.c.experiment.in_(wanted), logged_models.c.lifecycle_stage == "active")
    query = query.where(*(_condition(each, datasets) for each in comparisons))
    if datasets and not any(each.entity == "metric" for each in comparisons):
        query = query.where(exists().where(_own, _on(datasets)))
    query = _sorted(query, orderings).order_by(logged_models.c.creation_time.desc(), logged_models.c.id.desc())
    with database.reading() as connection:
        rows, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
        found = shapes(connection, database.artifacts, rows)
    return {**({"models": found} if found else {}), **token}


_own = logged_metrics.c.model == logged_models.c.id


def _condition(each: Comparison, datasets: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    if each.entity == "attribute":
        if each.key == "status" and isinstance(each.value, str):
            each = each._replace(value=each.value.upper().removeprefix("LOGGED_MODEL_"))
        return compared(COLUMNS[each.key], each)
    if each.entity == "metric":
        value = compared(logged_metrics.c.value, each)
        nan = logged_metrics.c.is_nan
        fits = or_(nan, value) if each.operator == "!=" else not_(nan) & value
        return exists().where(_own, logged_metrics.c.key == each.key, fits, *([_on(datasets)] if datasets else []))
    table = TABLES[each.entity]
    return labelled(table, table.c.model == logged_models.c.id, each)


def _on(datasets: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    columns = logged_metrics.c
    return or_(
        *(
            and_(columns.dataset_name == name, *([columns.dataset_digest == digest] if digest else []))
            for name, digest in datasets
        )
    )


def _ordering(item: Mapping[str, Any]) -> tuple[Ordering, str, str]:
    """Return what to sort by, and the dataset whose metrics count."""
    name = required(item, "field_name")
    before, dot, key = name.partition(".")
    entity = LOGGED.entities.get(before, "") if dot else LOGGED.default
    known = LOGGED.known(entity, (key if dot else name).strip('`"')) if entity else ""
    if not known or not LOGGED.sortable(entity):
        raise wrong("order_by", name, f"{LOGGED.sorted_by()}")
    up = item.get("ascending", True)
    return Ordering(entity, known, up is False), text(item, "dataset_name"), text(item, "dataset_digest")


def _sorted(query: Select[Any], orderings: Sequence[tuple[Ordering, str, str]]) -> Select[Any]:
    """Sort models; what lacks the field comes last in both directions."""
    for ordering, dataset, digest in orderings:
        column: ColumnElement[Any] = COLUMNS.get(ordering.key, logged_models.c.id)
        if ordering.entity == "metric":
            column = _latest(ordering.key, dataset, digest)
        query = query.order_by(case((column.is_(None), 1), else_=0), column.desc() if ordering.descending else column)
    return query


def _latest(key: str, dataset: str, digest: str) -> ColumnElement[Any]:
    """Return the last value of a metric of a model."""
    columns = logged_metrics.c
    where = [_own, columns.key == key, *([_on([(dataset, digest)])] if dataset else [])]
    query = select(columns.value).where(*where, not_(columns.is_nan)).correlate(logged_models)
    return query.order_by(columns.timestamp.desc(), columns.step.desc()).limit(1).scalar_subquery()
