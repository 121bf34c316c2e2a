"""The type of one column or value in the words of a signature, from dtypes and a bounded sample of values."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from fitscribe.models.kinds import is_a, is_array, is_null

__all__ = [
    "ANY",
    "CELLS",
    "ROWS",
    "SAMPLE",
    "Column",
    "Type",
    "arrow_column",
    "numpy_type",
    "pandas_column",
    "polars_column",
    "type_of",
    "type_of_all",
]

Type: TypeAlias = dict[str, Any]

ROWS = 10_000  # of an object column that are looked at for missing values
CELLS = 1_000_000  # of a frame; a larger one is looked through for missing values in a sample of rows
SAMPLE = 100  # values that decide the type of an object column or a list

ANY: Type = {"type": "any"}
_SCALARS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((bool,), "boolean"),
    ((int,), "long"),
    ((float,), "double"),
    ((str,), "string"),
    ((bytes, bytearray), "binary"),
    ((datetime.date,), "datetime"),
)
_PLAIN: dict[type, str] = {bool: "boolean", int: "long", str: "string"}  # not float: it may be NaN, and missing
_WIDER = {
    frozenset(("integer", "long")): "long",
    frozenset(("float", "double")): "double",
    frozenset(("integer", "float")): "double",
    frozenset(("integer", "double")): "double",
    frozenset(("long", "float")): "double",
    frozenset(("long", "double")): "double",
}
_POLARS = {
    **dict.fromkeys(("Int8", "Int16", "Int32", "UInt8", "UInt16"), "integer"),
    **dict.fromkeys(("Int64", "UInt32"), "long"),
    **dict.fromkeys(("String", "Utf8", "Categorical", "Enum"), "string"),
    **dict.fromkeys(("Date", "Datetime"), "datetime"),
    "Binary": "binary",
    "Boolean": "boolean",
    "Float32": "float",
    "Float64": "double",
}


class Column(NamedTuple):
    """What a column holds: its type, whether values are missing, and whether MLflow's check lets it pass as that."""

    type: Type
    nulls: bool
    enforceable: bool = True


def numpy_type(dtype: Any) -> Type:
    """Return the type for a numpy dtype, or one with its `kind` and `itemsize`; `any` where there is no word for it."""
    kind, size = dtype.kind, getattr(dtype, "itemsize", 8)
    if kind in "iu":
        bits = size * 8 + (kind == "u")  # an unsigned number needs the next larger signed one
        return {"type": "integer"} if bits <= 32 else {"type": "long"} if bits <= 64 else ANY
    if kind == "f":
        return {"type": "float"} if size <= 4 else {"type": "double"} if size <= 8 else ANY
    return {"type": {"b": "boolean", "U": "string", "S": "binary", "M": "datetime"}.get(kind, "any")}


def type_of(value: Any) -> Type:
    """Return the type of one value: a scalar, a list (`array`) or a dict (`object`), each to any depth."""
    if isinstance(value, dict):
        return _object(value) if value else ANY
    if is_array(value) and value.dtype.kind != "O":
        return _nested(numpy_type(value.dtype), value.ndim) if value.size else ANY
    if isinstance(value, (list, tuple)) or is_array(value):
        return {"type": "array", "items": type_of_all(value[:SAMPLE])} if len(value) else ANY
    if is_null(value):
        return ANY
    for classes, name in _SCALARS:
        if isinstance(value, classes):
            return {"type": name}
    return numpy_type(value.dtype) if is_a("numpy", ("generic",), value) else ANY


def type_of_all(values: Iterable[Any]) -> Type:
    """Return the one type that fits all values; missing ones do not count, and what does not fit together is `any`."""
    values = list(values)
    kinds = set(map(type, values))
    if len(kinds) == 1 and (plain := _PLAIN.get(kinds.pop())):  # nearly every column, in a twentieth of the time
        return {"type": plain}
    merged = ANY
    for value in values:
        found = type_of(value)
        if found != ANY:
            merged = found if merged == ANY else _merged(merged, found)
            if merged == ANY:
                return ANY
    return merged


def _merged(one: Type, other: Type) -> Type:
    if one == other:
        return one
    kinds = frozenset((one["type"], other["type"]))
    if kinds == {"array"}:
        return {"type": "array", "items": _known([one["items"], other["items"]])}
    if kinds == {"object"}:
        return _union(one["properties"], other["properties"])
    return {"type": _WIDER[kinds]} if kinds in _WIDER else ANY


def _union(one: dict[str, Type], other: dict[str, Type]) -> Type:
    properties = {}
    for name in sorted({*one, *other}):
        found = [side[name] for side in (one, other) if name in side]
        required = len(found) == 2 and all(side["required"] for side in found)
        kinds = [{key: side[key] for key in side if key != "required"} for side in found]
        properties[name] = {**_known(kinds), "required": required}
    return {"type": "object", "properties": properties}


def _known(kinds: list[Type]) -> Type:
    """Merge one or two types, of which one may be that of a missing value."""
    known = [kind for kind in kinds if kind != ANY] or [ANY]
    return _merged(known[0], known[-1])


def _object(value: dict[Any, Any]) -> Type:
    kinds = {str(key): type_of(one) for key, one in value.items()}
    properties = {key: {**kinds[key], "required": kinds[key] != ANY} for key in sorted(kinds)}
    return {"type": "object", "properties": properties}


def _nested(kind: Type, depth: int) -> Type:
    for _ in range(depth):
        kind = {"type": "array", "items": kind}
    return kind


def pandas_column(column: Any, rows: int = CELLS) -> Column:
    """Return what a pandas Series holds; cells are looked at only where the dtype does not tell (a bounded sample).

    Of a column of floats or times with more than so many `rows`, that many are looked through for missing values.
    """
    dtype = column.dtype
    if is_a("pandas", ("CategoricalDtype",), dtype):
        # MLflow's check refuses a categorical column for every type there is but `any`
        return Column(pandas_column(dtype.categories.to_series()).type, bool((column.cat.codes == -1).any()), False)
    if is_a("numpy", ("dtype",), dtype) and dtype.kind != "O":
        return Column(numpy_type(dtype), _numpy_nulls(column.to_numpy()[:: max(1, len(column) // max(1, rows))]))
    if dtype.kind == "O":
        return _object_column(_sample(column), is_a("pandas", ("StringDtype",), dtype))
    return _extension_column(column)


def _extension_column(column: Any) -> Column:
    kind = numpy_type(getattr(column.dtype, "subtype", column.dtype))  # a sparse dtype names the type of its values
    nulls = bool(column.isna().any())
    stumbles = hasattr(column.dtype, "subtype") or hasattr(column.dtype, "tz")
    return Column(kind, nulls, not stumbles and (not nulls or kind["type"] in ("float", "double")))


def _numpy_nulls(values: Any) -> bool:
    if values.size == 0 or values.dtype.kind not in "fcMm":
        return False
    import numpy

    smallest = values.min()  # a missing value wins every comparison; no array of flags is built
    return bool(numpy.isnat(smallest) if values.dtype.kind in "Mm" else numpy.isnan(smallest))


def _sample(column: Any) -> Any:
    return column if len(column) <= ROWS else column.iloc[:: -(-len(column) // ROWS)]


def _object_column(sample: Any, text: bool) -> Column:
    missing = sample.isna().to_numpy(dtype=bool)
    nulls = bool(missing.any())
    if text:
        return Column({"type": "string"}, nulls)
    values = sample.to_numpy(dtype=object)
    kind = type_of_all(values[~missing][:SAMPLE])
    if nulls and kind["type"] in ("integer", "long"):
        kind = {"type": "double"}  # numbers with holes are floats to pandas, and to MLflow's check
    return Column(kind, nulls)


def polars_column(column: Any) -> Column:
    """Return what a polars Series holds, from its dtype alone."""
    return Column(_polars_type(column.dtype), bool(column.null_count()))


def _polars_type(dtype: Any) -> Type:
    name = type(dtype).__name__ if type(dtype).__name__ != "DataTypeClass" else dtype.__name__
    if name in ("List", "Array"):
        return {"type": "array", "items": _polars_type(dtype.inner)}
    if name == "Struct":
        fields = {field.name: {**_polars_type(field.dtype), "required": True} for field in dtype.fields}
        return {"type": "object", "properties": dict(sorted(fields.items()))}
    return {"type": _POLARS.get(name, "any")}


_ARROW = {
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "integer"),
    **dict.fromkeys(("int64", "uint32"), "long"),
    **dict.fromkeys(("string", "large_string", "string_view"), "string"),
    **dict.fromkeys(("binary", "large_binary", "binary_view"), "binary"),
    **dict.fromkeys(("halffloat", "float"), "float"),
    "bool": "boolean",
    "double": "double",
}


def arrow_column(column: Any) -> Column:
    """Return what a pyarrow column holds, from its type alone."""
    name = str(column.type)
    if name.startswith(("timestamp", "date")):
        return Column({"type": "datetime"}, bool(column.null_count))
    text = name.startswith("dictionary<values=string")
    return Column({"type": "string" if text else _ARROW.get(name, "any")}, bool(column.null_count))
