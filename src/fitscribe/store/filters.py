"""Comparisons of a filter as conditions in SQLAlchemy Core."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Table, exists, not_, or_

from fitscribe.store.grammar import Comparison
from fitscribe.store.tables import dataset_tags, datasets, inputs, params, runs, series, tags

__all__ = ["compared", "labelled", "run_condition"]

CONTEXT = "mlflow.data.context"
SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "LIKE": lambda column, value: column.like(value),
    "ILIKE": lambda column, value: column.ilike(value),
    "IN": lambda column, values: column.in_(values),
    "NOT IN": lambda column, values: column.not_in(values),
}


def compared(column: ColumnElement[Any], comparison: Comparison) -> ColumnElement[bool]:
    """Return the condition that a column compares so."""
    condition: ColumnElement[bool] = SIGNS[comparison.operator](column, comparison.value)
    return condition


def labelled(table: Table, owner: ColumnElement[bool], comparison: Comparison) -> ColumnElement[bool]:
    """Return the condition on a param or tag in a table; without it nothing but IS NULL holds.

    `owner` says which rows of the table belong to what is searched.
    """
    there = exists().where(owner, table.c.key == comparison.key)
    if comparison.operator == "IS NULL":
        return not_(there)
    if comparison.operator == "IS NOT NULL":
        return there
    return there.where(compared(table.c.value, comparison))


def run_condition(comparison: Comparison, attributes: dict[str, ColumnElement[Any]]) -> ColumnElement[bool]:
    """Return the condition on runs; `attributes` has the column or expression of each."""
    if comparison.entity == "attribute":
        return compared(attributes[comparison.key], comparison)
    if comparison.entity == "metric":
        return _metric(comparison)
    if comparison.entity == "dataset":
        return _dataset(comparison)
    table = params if comparison.entity == "param" else tags
    return labelled(table, table.c.run == runs.c.id, comparison)


def _metric(comparison: Comparison) -> ColumnElement[bool]:
    """NaN is unequal to every number, and compares with none."""
    value = compared(series.c.value, comparison)
    fits = or_(series.c.is_nan, value) if comparison.operator == "!=" else not_(series.c.is_nan) & value
    return exists().where(series.c.run == runs.c.id, series.c.key == comparison.key, fits)


def _dataset(comparison: Comparison) -> ColumnElement[bool]:
    here = inputs.c.run == runs.c.id
    if comparison.key == "context":
        fits = (dataset_tags.c.key == CONTEXT) & compared(dataset_tags.c.value, comparison)
        return exists().where(here, dataset_tags.c.input == inputs.c.id, fits)
    return exists().where(here, datasets.c.id == inputs.c.dataset, compared(datasets.c[comparison.key], comparison))
