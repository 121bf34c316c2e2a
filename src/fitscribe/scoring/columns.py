"""One column or value as its signature says, and nothing lost on the way: 1.5 does not become 1."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from fitscribe.guard import outcome
from fitscribe.models.columns import Type
from fitscribe.scoring.refusals import Refusal

__all__ = ["DTYPES", "array_of", "as_array", "as_column", "spec_words"]

DTYPES = {
    "boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64", "string": "str",
    "binary": "bytes", "datetime": "datetime64[ns]",
}  # fmt: skip
NUMBERS = ("boolean", "integer", "long", "float", "double")
EXACT = "biu"  # kinds of dtypes into which a conversion may lose something


def spec_words(spec: Type) -> str:
    """Return how a column is named to people: by name and type."""
    kind = spec["type"] if spec["type"] != "tensor" else f"tensor of {spec['tensor-spec']['dtype']}"
    return f"column {spec['name']!r} ({kind})" if spec.get("name") is not None else f"the input ({kind})"


def as_column(column: Any, spec: Type) -> Any:
    """Return a pandas Series as the type that a signature gives it. `Refusal`: a value has no such form.

    Types that are no scalars, and missing values among numbers that cannot be missing, are left to the model's check.
    """
    kind = spec["type"]
    if kind == "binary":
        return column.map(lambda value: _decoded(value, spec))
    if kind == "datetime":
        return _instants(column, spec)
    if kind == "tensor":
        return column if _nested(column) else _numbers(column, spec["tensor-spec"]["dtype"], spec)
    if kind == "string":  # a number among texts goes to the model as it is
        return column if _is_text(column) else column.astype(object)
    return _numbers(column, DTYPES[kind], spec) if kind in NUMBERS else column


def _is_text(column: Any) -> bool:
    import pandas

    return isinstance(column.dtype, pandas.StringDtype)


def _nested(column: Any) -> bool:
    return bool(len(column)) and isinstance(column.iloc[0], list)


def _decoded(value: Any, spec: Type) -> Any:
    try:
        return base64.b64decode(value) if isinstance(value, str) else value
    except (binascii.Error, ValueError) as error:
        raise Refusal(f"{spec_words(spec)}: {value[:60]!r} is no base64: {error}") from None


def _instants(column: Any, spec: Type) -> Any:
    import pandas

    found = outcome(pandas.to_datetime, column)
    if isinstance(found, Exception):
        raise Refusal(f"{spec_words(spec)}: no date and time: {found}")
    plain = pandas.api.types.is_datetime64_any_dtype(found) and getattr(found.dt, "unit", "ns") != "ns"
    return found.dt.as_unit("ns") if plain else found


def _numbers(column: Any, dtype: str, spec: Type) -> Any:
    found = outcome(column.astype, dtype)
    exact = _dtype(dtype).kind in EXACT
    if isinstance(found, Exception):
        if exact and bool(column.isna().any()):
            return column
        raise Refusal(f"{spec_words(spec)}: {found}")
    if exact:
        _unchanged(column.to_numpy(), found.to_numpy(), spec)
    return found


def _unchanged(before: Any, after: Any, spec: Type) -> None:
    """Refuse when a number became another one on its way into an exact type."""
    import numpy

    told = before
    if before.dtype.kind in "OUS":
        before = numpy.array([_number(value) for value in before.ravel()], dtype=object).reshape(before.shape)
    changed = before != after
    if changed.any():
        lost = told[changed].ravel()[0]
        shown = lost.item() if hasattr(lost, "item") else lost
        raise Refusal(f"{spec_words(spec)}: {shown!r} is none, or does not fit into {after.dtype}")


def _number(value: Any) -> Any:
    """Return the number that a text is, so that it can be compared."""
    number: Any = outcome(int, value) if isinstance(value, str) else value
    return value if isinstance(number, Exception) else number


def as_array(data: Any, spec: Type | None) -> Any:
    """Return a value of `inputs` or `instances` as the type that a signature gives it, or as what it looks like.

    `Refusal`: it has no such form.
    """
    if spec is None:
        return array_of(data, None, "the input")
    if spec["type"] == "array":
        return array_of(data, None, spec_words(spec))
    if spec["type"] != "tensor" and spec["type"] not in DTYPES:
        return data
    dtype = _dtype(spec["tensor-spec"]["dtype"] if spec["type"] == "tensor" else DTYPES[spec["type"]])
    found = array_of(data, dtype, spec_words(spec))
    if spec["type"] != "tensor" and found.ndim > 1:
        raise Refusal(f"{spec_words(spec)} has one value in each row, and there is a list in each")
    if dtype.kind in EXACT:
        _unchanged(array_of(data, None, spec_words(spec)), found, spec)
    return found if isinstance(data, list) or spec["type"] == "tensor" else found[()]


def _dtype(name: str) -> Any:
    import numpy

    return numpy.dtype(name)


def array_of(data: Any, dtype: Any, words: str) -> Any:
    """Return lists of lists as an array. `Refusal`: they are no array, or not of that dtype."""
    import numpy

    found = outcome(lambda: numpy.array(data, dtype=dtype))
    if isinstance(found, Exception):
        raise Refusal(f"{words}: {found}")
    return found
