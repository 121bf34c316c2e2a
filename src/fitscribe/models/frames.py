"""Data of any kind as a pandas DataFrame, with the names that a signature has where it brings none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitscribe.errors import SignatureMismatch
from fitscribe.models.columns import Type
from fitscribe.models.kinds import is_array, is_lazy, is_sparse, kind_of

__all__ = ["as_frame"]


def as_frame(data: Any, inputs: list[Type]) -> Any:
    """Return data as a frame, a frame as it is. `SignatureMismatch`: it makes no table."""
    import pandas

    names = [one["name"] for one in inputs if "name" in one]
    kind = kind_of(data)
    if kind == "frame":
        return data
    if kind in ("polars frame", "arrow"):
        return data.to_pandas()
    if kind in ("mapping", "arrays"):
        made = _of_mapping(data, inputs)
    elif kind == "list":
        made = _of_list(list(data), inputs, names)
    elif kind in ("array", "sparse"):
        made = _of_matrix(data, names)
    elif kind == "records":
        made = pandas.DataFrame(list(data))
    else:
        made = _of_one(kind, data, names)
    return made


def _of_one(kind: str, data: Any, names: list[Any]) -> Any:
    """Read a single column, a single row, or a single value."""
    import pandas

    if is_lazy(data):
        raise SignatureMismatch("the data is a LazyFrame, of which there are no rows yet; give data.collect()")
    if kind == "other":
        return pandas.DataFrame([data], columns=_for(1, names))
    series = data if kind == "series" else data.to_pandas()
    if len(names) > 1 and set(names) <= set(series.index):
        return series.to_frame().T
    return series.to_frame(names[0]) if len(names) == 1 and series.name is None else series.to_frame()


def _of_matrix(data: Any, names: list[Any]) -> Any:
    import pandas

    if is_sparse(data):
        return pandas.DataFrame.sparse.from_spmatrix(data, columns=_for(data.shape[1], names))
    table = data.reshape(-1, 1) if data.ndim < 2 else data
    if table.ndim > 2:
        raise SignatureMismatch(f"the model's signature is of columns, and the data an array of {data.ndim} axes")
    return pandas.DataFrame(table, columns=_for(table.shape[1], names))


def _for(width: int, names: list[Any]) -> Any:
    return names if len(names) == width else None


def _of_mapping(data: Mapping[Any, Any], inputs: list[Type]) -> Any:
    """A dict is one row where its values are what one row holds, else it is columns."""
    import pandas

    lists = {str(one.get("name")) for one in inputs if one.get("type") == "array"}
    if all(_depth(value) <= (str(name) in lists) for name, value in data.items()):
        return pandas.DataFrame([dict(data)])
    series = {name: value if is_array(value) and value.ndim == 1 else list(value) for name, value in data.items()}
    lengths = {name: len(value) for name, value in series.items()}
    if len(set(lengths.values())) > 1:
        raise SignatureMismatch(f"the columns of the data are of different lengths: {lengths}")
    return pandas.DataFrame(series)


def _of_list(data: list[Any], inputs: list[Type], names: list[Any]) -> Any:
    import pandas

    if inputs[0].get("type") != "array" and data and isinstance(data[0], (list, tuple)):
        return pandas.DataFrame(data, columns=_for(len(data[0]), names))
    return pandas.DataFrame({names[0] if len(names) == 1 else 0: pandas.Series(data)})


def _depth(value: Any) -> int:
    """Return how many lists a value is in, up to two."""
    if is_array(value):
        return int(min(value.ndim, 2))
    if not isinstance(value, (list, tuple)):
        return 0
    return 1 + bool(len(value) and isinstance(value[0], (list, tuple)))
