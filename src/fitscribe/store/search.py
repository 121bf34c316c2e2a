"""Searches for runs and experiments: which fit, in what order, one page of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, case, cast, func, select

from fitscribe.store import experiments as experiment_rows
from fitscribe.store import rundata
from fitscribe.store.database import Database
from fitscribe.store.fields import Body, choice, identifier_of, page_size, text, texts
from fitscribe.store.filters import compared, labelled, run_condition
from fitscribe.store.grammar import Ordering, parse_filter, parse_ordering
from fitscribe.store.paging import offset, page
from fitscribe.store.refusal import invalid
from fitscribe.store.shapes import RUN, experiment_shape
from fitscribe.store.tables import experiment_tags, experiments, params, runs, series, tags
from fitscribe.store.vocabulary import EXPERIMENTS, RUNS, Vocabulary

__all__ = ["search_experiments", "search_runs"]

VIEWS = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")
MOST, USUAL = 50_000, 1000
TABLES = {"metric": series, "param": params, "tag": tags}


def search_runs(database: Database, body: Body) -> dict[str, Any]:
    """Answer runs/search; by default the newest come first."""
    wanted = sorted({identifier_of("experiment_ids", each) for each in texts(body, "experiment_ids")})
    comparisons = parse_filter(text(body, "filter"), RUNS)
    orderings = _orderings(body, RUNS)
    size, start = page_size(body, MOST, USUAL), offset(body)
    attributes = _attributes(database)
    query = RUN.where(runs.c.experiment.in_(bindparam("wanted", wanted, expanding=True, literal_execute=True)))
    query = query.where(*_stage(runs.c.lifecycle_stage, choice(body, "run_view_type", VIEWS, VIEWS[0])))
    query = query.where(*(run_condition(each, attributes) for each in comparisons))
    query = _sorted(query, orderings, attributes).order_by(runs.c.start_time.desc(), runs.c.run_id)
    with database.reading() as connection:
        rows, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
        found = rundata.shapes(connection, database.artifacts, rows)
    return {**({"runs": found} if found else {}), **token}


def _attributes(database: Database) -> dict[str, ColumnElement[Any]]:
    """Return what stands for each attribute of a run; its artifact URI is made of parts."""
    own = f"{database.artifacts.as_uri()}/"
    folder = func.coalesce(experiments.c.artifact_location, own + cast(runs.c.experiment, Text))
    columns = runs.c
    plain = {name: columns[name] for name in ("run_id", "status", "user_id", "start_time", "end_time")}
    return {**plain, "run_name": columns.name, "artifact_uri": folder + "/" + columns.run_id + "/artifacts"}


def _stage(column: ColumnElement[str], view: str) -> list[ColumnElement[bool]]:
    return [] if view == "ALL" else [column == ("active" if view == "ACTIVE_ONLY" else "deleted")]


def _orderings(body: Body, vocabulary: Vocabulary, *, query: bool = False) -> list[Ordering]:
    found = [parse_ordering(each, vocabulary) for each in texts(body, "order_by", query=query)]
    fields = [(each.entity, each.key) for each in found]
    for entity, key in fields:
        if fields.count((entity, key)) > 1:
            raise invalid(f"order_by names {entity} {key!r} twice; name each field once")
    return found


def _sorted(
    query: Select[Any], orderings: Sequence[Ordering], attributes: dict[str, ColumnElement[Any]]
) -> Select[Any]:
    """Sort runs; what is missing comes last in both directions, and before it NaN."""
    terms: list[ColumnElement[Any]] = []
    for ordering in orderings:
        if ordering.entity == "attribute":
            terms += _term(attributes[ordering.key], ordering.descending)
            continue
        each = TABLES[ordering.entity].alias()
        query = query.outerjoin(each, and_(each.c.run == runs.c.id, each.c.key == ordering.key))
        last = [(each.c.is_nan, 1)] if ordering.entity == "metric" else []
        terms += _term(each.c.value, ordering.descending, *last)
    return query.order_by(*terms)


def _term(
    column: ColumnElement[Any], descending: bool, *last: tuple[ColumnElement[bool], int]
) -> list[ColumnElement[Any]]:
    return [case((column.is_(None), 2), *last, else_=0), column.desc() if descending else column.asc()]


def search_experiments(database: Database, body: Body) -> dict[str, Any]:
    """Answer experiments/search; by default the newest come first."""
    comparisons = parse_filter(text(body, "filter"), EXPERIMENTS)
    orderings = _orderings(body, EXPERIMENTS, query=True)
    size, start = page_size(body, MOST), offset(body)
    attributes: dict[str, ColumnElement[Any]] = {
        name: experiments.c[name] for name in ("name", "creation_time", "last_update_time")
    }
    attributes["experiment_id"] = cast(experiments.c.id, Text)
    query = select(experiments).where(
        *_stage(experiments.c.lifecycle_stage, choice(body, "view_type", VIEWS, VIEWS[0])),
        *(
            compared(attributes[each.key], each)
            if each.entity == "attribute"
            else labelled(experiment_tags, experiment_tags.c.experiment == experiments.c.id, each)
            for each in comparisons
        ),
    )
    query = _sorted_experiments(query, orderings, attributes)
    with database.reading() as connection:
        rows, token = page(connection.execute(query.limit(size + 1).offset(start)).all(), size, start)
        labels = experiment_rows.tags_of(connection, [row.id for row in rows])
    found = [experiment_shape(database.artifacts, row, labels[row.id]) for row in rows]
    return {**({"experiments": found} if found else {}), **token}


def _sorted_experiments(
    query: Select[Any], orderings: Sequence[Ordering], attributes: dict[str, ColumnElement[Any]]
) -> Select[Any]:
    if not orderings:
        return query.order_by(experiments.c.creation_time.desc(), experiments.c.id)
    columns = {**attributes, "experiment_id": experiments.c.id}
    terms = [columns[each.key].desc() if each.descending else columns[each.key] for each in orderings]
    return query.order_by(*terms, experiments.c.id.desc())
