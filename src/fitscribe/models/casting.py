"""A column as the type that a signature asks for: converted where nothing is lost, else not at all."""

from __future__ import annotations

import datetime
from typing import Any

from fitscribe.errors import SignatureMismatch
from fitscribe.models.columns import Type
from fitscribe.models.kinds import is_array, is_null

__all__ = ["as_type", "cell", "fits", "is_of"]

EXACT = {"float32": 2**24, "float64": 2**53}  # to here a float tells each whole number from the next
LIMITS = {"int32": 2**31, "int64": 2**63}


def as_type(column: Any, wanted: Type) -> Any:
    """Return a pandas Series as the type that is wanted: itself where it is one, converted where nothing is lost.

    `SignatureMismatch`: it cannot be; the column is named, and the first value that does not fit.
    """
    kind, name = wanted["type"], wanted["name"]
    if is_of(column.dtype, kind):
        return column
    if kind in ("array", "object"):
        _nested(column, wanted)
        return column
    if kind not in _CONVERT:
        return column  # a type of a later MLflow's
    made = _CONVERT[kind](_plain(column))
    if made is None:
        raise _mismatch(column, name, kind)
    return made


def _plain(column: Any) -> Any:
    """Return a column of pyarrow's or of half floats as one that can be calculated with."""
    if hasattr(column.dtype, "pyarrow_dtype"):
        return column.convert_dtypes(dtype_backend="numpy_nullable")
    return column.astype("float64") if str(column.dtype) == "float16" else column


def is_of(dtype: Any, kind: str) -> bool:
    """Tell whether a column of this dtype is of a type, whatever its cells are."""
    return kind in ("any", "map") or str(dtype) == _SAME.get(kind)


_SAME = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64"}


def _whole(column: Any, dtype: str) -> Any:
    from pandas.api import types

    if column.dtype.kind == "O" or str(column.dtype) == "category":
        column = _numbers(column)
    if column is None or not _is_real(column):
        return None
    nulls = column.isna()
    holes = bool(nulls.any())
    present = column[~nulls] if holes else column
    floats = types.is_float_dtype(column.dtype)
    whole = not floats or bool((present % 1 == 0).all())
    if not whole or (len(present) and not (-LIMITS[dtype] <= present.min() and present.max() < LIMITS[dtype])):
        return None
    if holes:  # whole numbers with holes are what pandas calls Int64; as floats they are what a model was trained on
        return column if floats else column.astype("float64")
    return column.astype(dtype)


def _is_real(column: Any) -> bool:
    from pandas.api import types

    kind = column.dtype
    return types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind) and kind.kind != "c"


def _real(column: Any, dtype: str) -> Any:
    from pandas.api import types

    if column.dtype.kind == "O" or str(column.dtype) == "category":
        column = _numbers(column)
    if column is None or not _is_real(column):
        return None
    if types.is_integer_dtype(column.dtype):
        present = column.dropna()
        if len(present) and not (-EXACT[dtype] <= present.min() and present.max() <= EXACT[dtype]):
            return None
    elif dtype == "float32":
        narrow = column.astype("float32")
        same = (narrow.astype("float64") == column.astype("float64")) | column.isna()
        return narrow if bool(same.all()) else None
    return column.astype(dtype)


def _numbers(column: Any) -> Any:
    """Return an object column of numbers and holes as numbers; None where there is anything else."""
    import pandas

    values = column.dropna() if hasattr(column, "dropna") else column
    if any(isinstance(one, (bool, str, bytes)) or not hasattr(one, "__float__") for one in values):
        return None
    return pandas.to_numeric(column, errors="coerce") if len(values) else column.astype("float64")


def _text(column: Any) -> Any:
    values = column.dropna()
    return column if all(isinstance(one, str) for one in values) else None


def _bytes(column: Any) -> Any:
    return column if all(isinstance(one, (bytes, bytearray)) for one in column.dropna()) else None


def _truth(column: Any) -> Any:
    import numpy

    values = column.dropna()
    if not all(isinstance(one, (bool, numpy.bool_)) for one in values):
        return None
    return column if len(values) < len(column) else column.astype(bool)


def _time(column: Any) -> Any:
    import pandas

    if column.dtype.kind == "M" or hasattr(column.dtype, "tz"):
        return column
    values = column.dropna()
    if not all(isinstance(one, (str, datetime.date, pandas.Timestamp)) for one in values):
        return None
    made = pandas.to_datetime(column, errors="coerce", format="ISO8601" if len(values) else None)
    return made if not bool((made.isna() & column.notna()).any()) else None


_CONVERT = {
    "integer": lambda column: _whole(column, "int32"),
    "long": lambda column: _whole(column, "int64"),
    "float": lambda column: _real(column, "float32"),
    "double": lambda column: _real(column, "float64"),
    "string": _text,
    "binary": _bytes,
    "boolean": _truth,
    "datetime": _time,
}


def _nested(column: Any, wanted: Type) -> None:
    for at, value in enumerate(column):
        wrong = "" if is_null(value) else fits(value, wanted, str(wanted["name"]))
        if wrong:
            raise SignatureMismatch(f"row {at} of the data does not fit the model's signature: {wrong}")


_SCALARS: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "string": (str,),
    "binary": (bytes, bytearray, str),
    "datetime": (datetime.date, str),
}


def fits(value: Any, wanted: Type, where: str) -> str:
    """Return "" for a value that is of a type, nested to any depth, or words that say where it is not."""
    kind = wanted["type"]
    value = value.tolist() if is_array(value) else value.item() if hasattr(value, "dtype") else value
    if kind == "array":
        if not isinstance(value, (list, tuple)):
            return f"{where} is {cell(value)} and no list"
        found = (fits(one, wanted["items"], f"{where}[{at}]") for at, one in enumerate(value) if one is not None)
        return next(filter(None, found), "")
    if kind == "map":
        found = (fits(one, wanted["values"], f"{where}[{key!r}]") for key, one in dict(value).items())
        return next(filter(None, found), "")
    if kind == "object":
        return _object(value, wanted["properties"], where)
    if kind not in _SCALARS:
        return ""
    wrong = not isinstance(value, _SCALARS[kind]) or (isinstance(value, bool) and kind != "boolean")
    return f"{where} is {cell(value)} and no {kind}" if wrong else ""


def _object(value: Any, properties: dict[str, Type], where: str) -> str:
    if not isinstance(value, dict):
        return f"{where} is {cell(value)} and no object"
    for name, one in properties.items():
        if value.get(name) is None:
            if one.get("required", True):
                return f"{where} has no {name!r}"
        elif wrong := fits(value[name], one, f"{where}.{name}"):
            return wrong
    return ""


def cell(value: Any) -> str:
    """Return a value in few words, for a message."""
    return f"{value!r:.60} ({type(value).__name__})"


def _mismatch(column: Any, name: Any, kind: str) -> SignatureMismatch:
    whole = kind in ("integer", "long")
    words = f"the column {name!r} is {column.dtype}, and the model's signature asks for {kind}"
    bad = next(((at, one) for at, one in enumerate(column) if not is_null(one) and _odd(one, kind)), None)
    if bad is not None:
        words += f"; row {bad[0]} holds {cell(bad[1])}"
    if whole and column.dtype.kind == "f":
        words += "; if the column may hold fractions, make the signature from data that does"
    return SignatureMismatch(words)


def _odd(value: Any, kind: str) -> bool:
    plain = value.item() if hasattr(value, "item") else value
    if kind in ("integer", "long") and isinstance(plain, float):
        return not plain.is_integer() or abs(plain) >= LIMITS["int32" if kind == "integer" else "int64"]
    if kind == "integer" and isinstance(plain, int) and not isinstance(plain, bool):
        return not -LIMITS["int32"] <= plain < LIMITS["int32"]
    return bool(fits(plain, {"type": kind}, ""))
