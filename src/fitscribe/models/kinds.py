"""What kind of data an object is, told without importing the library that made it."""

from __future__ import annotations

import math
import sys
from functools import partial
from typing import Any, Literal, TypeAlias

__all__ = ["Kind", "is_a", "is_array", "is_lazy", "is_null", "is_pandas_frame", "is_sparse", "kind_of"]

Kind: TypeAlias = Literal[
    "frame",
    "series",
    "polars frame",
    "polars series",
    "arrow",
    "arrow column",
    "array",
    "sparse",
    "arrays",
    "mapping",
    "records",
    "list",
    "other",
]


def is_a(module: str, names: tuple[str, ...], data: object) -> bool:
    """Tell if `data` is an instance of one of the module's classes; what nobody imported made no data."""
    library = sys.modules.get(module)
    classes = (getattr(library, name, None) for name in names)
    return library is not None and isinstance(data, tuple(one for one in classes if isinstance(one, type)))


is_array = partial(is_a, "numpy", ("ndarray",))
is_pandas_frame = partial(is_a, "pandas", ("DataFrame",))
is_lazy = partial(is_a, "polars", ("LazyFrame",))
is_sparse = partial(is_a, "scipy.sparse", ("spmatrix", "sparray"))

_LIBRARIES: tuple[tuple[Kind, Any], ...] = (
    ("array", is_array),
    ("frame", is_pandas_frame),
    ("series", partial(is_a, "pandas", ("Series",))),
    ("sparse", is_sparse),
    ("polars frame", partial(is_a, "polars", ("DataFrame",))),
    ("polars series", partial(is_a, "polars", ("Series",))),
    ("arrow", partial(is_a, "pyarrow", ("Table", "RecordBatch"))),
    ("arrow column", partial(is_a, "pyarrow", ("Array", "ChunkedArray"))),
)


def kind_of(data: object) -> Kind:
    """Return the kind of `data`; `arrays` is a dict of numpy arrays, `records` a list of dicts."""
    for kind, matches in _LIBRARIES:
        if matches(data):
            return kind
    if isinstance(data, dict):
        return "arrays" if data and all(map(is_array, data.values())) else "mapping"
    if isinstance(data, (list, tuple)):
        return "records" if data and all(isinstance(row, dict) for row in data) else "list"
    return "other"


def is_null(value: object) -> bool:
    """Tell if one value stands for a missing one: None, NaN, and the NA and NaT of pandas and numpy."""
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType") or (_is_datetime(value) and str(value) == "NaT")


_is_datetime = partial(is_a, "numpy", ("datetime64", "timedelta64"))
