"""What belongs to runs, many at a time: latest metrics, params, tags and inputs, in the protocol's shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import BindParameter, Connection, Row, Select, bindparam, select

from fitscribe.store.logged.tables import model_outputs
from fitscribe.store.shapes import number, run_info
from fitscribe.store.tables import dataset_tags, datasets, inputs, model_inputs, params, series, tags

__all__ = ["shapes"]

AT_ONCE = 5000  # runs whose data is read with one statement
DATASET = ("name", "digest", "source_type", "source", "schema", "profile")
OPTIONAL = ("schema", "profile")

Found: TypeAlias = dict[int, list[Any]]
Shape: TypeAlias = Callable[[Sequence[Any]], Any]

_wanted: BindParameter[Any] = bindparam(
    "wanted", expanding=True, literal_execute=True
)  # as literals: drivers limit the number of others


def shapes(connection: Connection, home: Path, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Return runs from rows of `shapes.RUN`, in their order; `home` is the store's own folder of artifacts."""
    found = []
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        data = _data(connection, [row.id for row in part])
        found += [{"info": run_info(home, row), **_assembled(data, row.id)} for row in part]
    return found


def _data(connection: Connection, wanted: list[int]) -> dict[str, Found]:
    def read(query: Select[Any], shape: Shape) -> Found:
        found: Found = {}
        for row in connection.execute(query, {"wanted": wanted}):
            found.setdefault(row[0], []).append(shape(row))
        return found

    return {
        "metrics": read(_metrics, _metric),
        "params": read(_params, _pair),
        "tags": read(_tags, _pair),
        "dataset_inputs": _datasets(read),
        "model_inputs": read(_models, lambda row: {"model_id": row[1]}),
        "model_outputs": read(_made, lambda row: {"model_id": row[1], "step": row[2]}),
    }


def _assembled(data: dict[str, Found], run: int) -> dict[str, Any]:
    """Leave out what is empty, as the protocol does, but for `data`, `inputs` and `outputs` themselves."""
    return {
        "data": {name: data[name][run] for name in ("metrics", "params", "tags") if run in data[name]},
        "inputs": {name: data[name][run] for name in ("dataset_inputs", "model_inputs") if run in data[name]},
        "outputs": {"model_outputs": data["model_outputs"][run]} if run in data["model_outputs"] else {},
    }


def _metric(row: Sequence[Any]) -> dict[str, Any]:
    _, key, value, is_nan, timestamp, step = row
    return {"key": key, "value": number(value, is_nan), "timestamp": timestamp, "step": step}


def _pair(row: Sequence[Any]) -> dict[str, str]:
    return {"key": row[1], "value": row[2]}


def _datasets(read: Callable[[Select[Any], Shape], Found]) -> Found:
    labels = read(_labels, lambda row: (row[1], {"key": row[2], "value": row[3]}))
    by_input: Found = {}
    for each in labels.values():
        for owner, label in each:
            by_input.setdefault(owner, []).append(label)

    def shape(row: Sequence[Any]) -> dict[str, Any]:
        dataset = {name: value for name, value in zip(DATASET, row[2:], strict=True) if value or name not in OPTIONAL}
        return {"tags": by_input[row[1]], "dataset": dataset} if row[1] in by_input else {"dataset": dataset}

    return read(_used, shape)


def _of_runs(query: Select[Any], run: Any, *order: Any) -> Select[Any]:
    return query.where(run.in_(_wanted)).order_by(run, *order)


_metrics = _of_runs(
    select(series.c.run, series.c.key, series.c.value, series.c.is_nan, series.c.timestamp, series.c.step),
    series.c.run,
    series.c.key,
)
_params = _of_runs(select(params.c.run, params.c.key, params.c.value), params.c.run, params.c.key)
_tags = _of_runs(select(tags.c.run, tags.c.key, tags.c.value), tags.c.run, tags.c.key)
_models = _of_runs(select(model_inputs.c.run, model_inputs.c.model_id), model_inputs.c.run, model_inputs.c.model_id)
_made = _of_runs(
    select(model_outputs.c.run, model_outputs.c.model_id, model_outputs.c.step),
    model_outputs.c.run,
    model_outputs.c.model_id,
)
_used = _of_runs(
    select(inputs.c.run, inputs.c.id, *(datasets.c[name] for name in DATASET)).join_from(inputs, datasets),
    inputs.c.run,
    inputs.c.id,
)
_labels = _of_runs(
    select(inputs.c.run, inputs.c.id, dataset_tags.c.key, dataset_tags.c.value).join_from(inputs, dataset_tags),
    inputs.c.run,
    inputs.c.id,
    dataset_tags.c.key,
)
