"""The signature of a model: what goes in, what comes out, from dtypes, in MLflow's JSON forms."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from typing import Any

import msgspec

from fitscribe.errors import MisuseError
from fitscribe.models.columns import (
    ANY,
    CELLS,
    ROWS,
    SAMPLE,
    Column,
    Type,
    arrow_column,
    pandas_column,
    polars_column,
    type_of,
    type_of_all,
)
from fitscribe.models.kinds import Kind, is_null, kind_of

__all__ = ["ModelSignature", "as_signature", "infer_signature", "schema_of"]


class ModelSignature(msgspec.Struct, frozen=True, omit_defaults=True):
    """Inputs, outputs and inference params of a model; each a list of columns, tensors or params, or None."""

    inputs: list[Type] | None = None
    outputs: list[Type] | None = None
    params: list[Type] | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the three parts as JSON text, as an MLmodel file holds them."""
        parts = {"inputs": self.inputs, "outputs": self.outputs, "params": self.params}
        return {name: None if part is None else json.dumps(part) for name, part in parts.items()}

    @classmethod
    def from_dict(cls, parts: dict[str, str | None]) -> ModelSignature:
        """Read what `to_dict` returns, or what stands in an MLmodel file of MLflow's."""
        names = ("inputs", "outputs", "params")
        return cls(**{name: json.loads(text) for name in names if (text := parts.get(name))})


def as_signature(given: Any) -> ModelSignature | None:
    """Read a signature of ours or of MLflow's, or their dict; None for None and False. `MisuseError`: it is none."""
    if given is None or given is False or isinstance(given, ModelSignature):
        return given or None
    try:
        return ModelSignature.from_dict(given if isinstance(given, dict) else given.to_dict())
    except (TypeError, ValueError, AttributeError):
        words = f"signature={given!r:.80} is no signature; make one by infer_signature(inputs, outputs)"
        raise MisuseError(words) from None


def infer_signature(
    model_input: Any = None, model_output: Any = None, params: dict[str, Any] | None = None
) -> ModelSignature:
    """Infer a signature from examples of input, output and inference params; their cells are not walked.

    A column that MLflow's check would refuse although the signature was made from it (categories, time zones,
    nullable integers with missing values) is of type `any`. `MisuseError`: a param of no known type.
    """
    inputs, outputs = (
        None if data is None else schema_of(data, enforceable=True) for data in (model_input, model_output)
    )
    return ModelSignature(inputs, outputs, [_param(name, value) for name, value in params.items()] if params else None)


def schema_of(data: Any, *, enforceable: bool = False) -> list[Type]:
    """Return the columns or tensors of data, in MLflow's form; data that nothing can be said of is one `any`.

    With `enforceable`, a column is only given a type with which it passes MLflow's check.
    """
    kind = kind_of(data)
    if kind in ("array", "sparse"):
        found = [_tensor(data)] if getattr(data, "ndim", 2) else []
    elif kind == "arrays":
        found = [{"name": str(name), **_tensor(array)} for name, array in data.items() if array.ndim]
    else:
        found = [_column(name, column, enforceable) for name, column in _columns(kind, data)]
    return found or [{**ANY, "required": True}]


def _tensor(data: Any) -> Type:
    names = {"U": "str", "S": "bytes"}  # without their length
    dtype = names.get(data.dtype.kind, data.dtype.name)
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": [-1, *data.shape[1:]]}}


def _columns(kind: Kind, data: Any) -> list[tuple[Any, Column]]:
    return _READ[kind](data) if kind in _READ else []


def _frame(data: Any) -> list[tuple[Any, Column]]:
    rows = len(data) if data.size <= CELLS else max(1000, CELLS // 8 // data.shape[1])
    columns = enumerate(data.items())
    return [(position if name is None else name, pandas_column(one, rows)) for position, (name, one) in columns]


def _mapping(data: Any) -> list[tuple[Any, Column]]:
    return [(str(name), Column(type_of(value), is_null(value))) for name, value in data.items()]


def _list(data: Any) -> list[tuple[Any, Column]]:
    # an empty list is of texts to MLflow
    return [(None, Column(type_of_all(data[:SAMPLE]) if data else {"type": "string"}, False))]


def _scalar(data: Any) -> list[tuple[Any, Column]]:
    return [(None, Column(type_of(data), False))]


def _records(rows: list[dict[Any, Any]]) -> list[tuple[Any, Column]]:
    names = dict.fromkeys(name for row in rows for name in row)
    found = []
    for name in names:
        values = [row.get(name) for row in rows]
        present = [value for value in values if value is not None]
        found.append((name, Column(type_of_all(present[:SAMPLE]), len(present) < len(values))))
    return found


_READ: dict[Kind, Callable[[Any], list[tuple[Any, Column]]]] = {
    "frame": _frame,
    "series": lambda data: [(data.name, pandas_column(data))],
    "polars frame": lambda data: [(one.name, polars_column(one)) for one in data.get_columns()],
    "polars series": lambda data: [(data.name or None, polars_column(data))],
    "arrow": lambda data: [(name, arrow_column(data.column(at))) for at, name in enumerate(data.schema.names)],
    "arrow column": lambda data: [(None, arrow_column(data))],
    "records": lambda data: _records(data[:ROWS]),
    "mapping": _mapping,
    "list": _list,
    "other": _scalar,
}


def _column(name: Any, column: Column, enforceable: bool) -> Type:
    kind = column.type if column.enforceable or not enforceable else ANY
    if name is None:  # readers refuse an optional column without a name
        return {**kind, "required": True}
    return {**kind, "name": _plain(name), "required": not column.nulls}


def _plain(name: Any) -> Any:
    if hasattr(name, "item"):
        name = name.item()
    return name if isinstance(name, (str, int, float)) else str(name)


def _param(name: str, value: Any) -> Type:
    several = kind_of(value) in ("list", "array")
    kind = type_of_all(value) if several else type_of(value)
    if "items" in kind or kind == ANY:
        raise MisuseError(f"the inference param {name!r} is {value!r}; it may be a scalar, a flat list or a dict")
    default = [_json(one) for one in value] if several else _json(value)
    return {"name": str(name), "default": default, "shape": [-1] if several else None, **kind}


def _json(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value
