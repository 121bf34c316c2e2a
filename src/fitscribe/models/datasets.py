"""The record of a dataset: its digest, schema and profile in MLflow's forms; nothing of it is copied whole."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from fitscribe.guard import quietly
from fitscribe.models.digest import WIDE, digest_of, spread
from fitscribe.models.kinds import is_array, kind_of
from fitscribe.models.profile import more_of
from fitscribe.models.signature import schema_of

__all__ = ["describe"]

SCHEMA_LIMIT = 1_048_575  # characters; a server refuses the whole dataset with more

_TABLES = ("frame", "series", "polars frame", "polars series", "arrow", "arrow column")


class Tensor(NamedTuple):
    """What a profile tells of an array, or of what an estimator will make an array of."""

    dtype: str
    shape: tuple[int, ...]
    nbytes: int


def describe(features: Any, targets: Any = None) -> dict[str, str] | None:
    """Return `digest`, `schema` and `profile` of a dataset, the last two as JSON text; None for what is no table.

    The digest covers the targets as well. The schema of a DataFrame is its columns, as MLflow has it; of arrays,
    sparse matrices and lists it is features and targets as tensors; it is empty for frames of more than 2,000 columns,
    and where it would be larger than a server takes. The profile is MLflow's, and what `more_of` finds beside it.
    An iterator is never consumed, and what is lazy never collected.
    """
    found = _table(features) if kind_of(features) in _TABLES else _tensors(features, targets)
    if found is None:
        return None
    tables = (features,) if targets is None else (features, targets)
    schema = json.dumps(found[0]) if found[0] else ""
    return {
        "digest": digest_of(*tables),
        "schema": schema if len(schema) <= SCHEMA_LIMIT else "",
        "profile": json.dumps({**found[1], **more_of(features, targets)}),
    }


def _table(features: Any) -> tuple[Any, Any]:
    rows = len(features)
    shape = _shape(features)
    width = shape[1] if len(shape) > 1 else 1
    too_wide = width > WIDE  # to tell them one by one takes longer than many a fit
    schema = None if too_wide else {"mlflow_colspec": schema_of(features)}
    return schema, {"num_rows": rows, "num_elements": rows * width}


def _shape(table: Any) -> tuple[int, ...]:
    if hasattr(table, "num_columns"):
        return len(table), int(table.num_columns)
    return tuple(getattr(table, "shape", (len(table),)))


def _tensors(features: Any, targets: Any) -> tuple[Any, Any] | None:
    parts = {"features": _parts(features), "targets": _parts(targets)}
    if parts["features"] is None:
        return None
    schema = {name: None if part is None else json.dumps(_specs(part)) for name, part in parts.items()}
    profile: dict[str, Any] = {}
    for name, part in parts.items():
        if part is not None:
            profile[f"{name}_shape"] = _each(part, lambda one: list(one.shape))
            profile[f"{name}_size"] = _each(part, lambda one: math.prod(one.shape))
            profile[f"{name}_nbytes"] = _each(part, lambda one: one.nbytes)
    return {"mlflow_tensorspec": schema}, profile


def _parts(table: Any) -> Any:
    if kind_of(table) == "arrays":
        return {str(name): _tensor(array) for name, array in table.items()}
    return _tensor(table)


def _each(part: Any, ask: Any) -> Any:
    return {name: ask(one) for name, one in part.items()} if isinstance(part, dict) else ask(part)


def _specs(part: Any) -> list[dict[str, Any]]:
    named = part.items() if isinstance(part, dict) else [(None, part)]
    return [
        {
            **({} if name is None else {"name": name}),
            "type": "tensor",
            "tensor-spec": {"dtype": one.dtype, "shape": [-1, *one.shape[1:]]},
        }
        for name, one in named
    ]


def _tensor(table: Any) -> Tensor | None:
    read = _READ.get(kind_of(table))
    return read(table) if read else None


def _sparse(table: Any) -> Tensor:
    stored: Any = [getattr(table, name, None) for name in ("data", "indices", "indptr", "row", "col", "offsets")]
    return Tensor(_name(table.dtype), table.shape, sum(one.nbytes for one in stored if is_array(one)))


def _frame(table: Any) -> Tensor:
    names = {_name(dtype) for dtype in table.dtypes}
    dtype = names.pop() if len(names) == 1 else "object"
    return Tensor(dtype, table.shape, int(table.memory_usage(index=False).sum()))


def _name(dtype: Any) -> str:
    kind = {"U": "str", "S": "bytes"}.get(dtype.kind)
    return kind or (str(dtype.name) if type(dtype).__module__.startswith("numpy") else "object")


def _listed(rows: Any) -> Tensor | None:
    numpy = sys.modules.get("numpy")
    if numpy is None or not len(rows):
        return None
    if isinstance(rows[0], (str, bytes)):
        # an array of texts is as wide as the longest of them: not made for a measurement
        return Tensor(type(rows[0]).__name__, (len(rows),), sum(map(sys.getsizeof, rows[:100])) * len(rows) // 100)
    if not isinstance(rows[0], (int, float, list, tuple, numpy.generic, numpy.ndarray)):
        return None
    few = [rows[at] for at in spread(len(rows), 100).tolist()]
    sample = quietly(numpy.asarray, few, default=None)  # ragged lists make no array
    if sample is None or sample.dtype.kind not in "biufcUSM":
        return None
    shape = (len(rows), *sample.shape[1:])
    return Tensor(_name(sample.dtype), shape, math.prod(shape) * sample.dtype.itemsize)


_READ: dict[str, Callable[[Any], Tensor | None]] = {
    "array": lambda table: Tensor(_name(table.dtype), table.shape, table.nbytes),
    "sparse": _sparse,
    "series": lambda table: Tensor(_name(table.dtype), table.shape, int(table.memory_usage(index=False))),
    "frame": _frame,
    "polars frame": lambda table: Tensor("object", table.shape, int(table.estimated_size())),
    "polars series": lambda table: Tensor("object", table.shape, int(table.estimated_size())),
    "arrow": lambda table: Tensor("object", _shape(table), int(table.nbytes)),
    "arrow column": lambda table: Tensor("object", _shape(table), int(table.nbytes)),
    "list": _listed,
}
