"""What a profile tells of a dataset beyond MLflow's: types, missing values, and how its target is distributed.

All of it within a bounded number of cells: of a larger table, evenly spaced rows are looked at, and the profile says
how many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from fitscribe.guard import quietly
from fitscribe.models.columns import CELLS
from fitscribe.models.digest import WIDE, is_mapped, rows_hashed, spread
from fitscribe.models.kinds import is_a, is_null, kind_of

__all__ = ["more_of"]

NAMED = 100  # columns with missing values that are named; of more, those with the most
OUTPUTS = 20  # columns of a target that are told of
CLASSES = 30  # that are counted one by one; of more, those with the most rows
FEW = 20  # different whole numbers in a column of floats, up to which they are classes
OBJECTS = 10_000  # Python objects looked at
SPREAD = 1000  # between the least and the largest whole number that are counted as classes
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def more_of(features: Any, targets: Any) -> dict[str, Any]:
    """Return facts for a profile, as plain values for JSON; what cannot be found out is left out.

    `missing` and `infinite` count by column (named, or by position), in as many rows as `counted_rows` and as many
    columns as `counted_columns` say where that is not all; `dtypes` counts columns; `target` has the `classes` of a
    column and their rows, or its range and quantiles; `digest_rows` is there where the digest covers so many rows only.
    """
    nothing: dict[str, Any] = {}
    found = quietly(_of_features, features, default=nothing)
    target = None if targets is None else quietly(_of_target, targets, default=None)
    return {**found, **({"target": target} if target else {})}


def _of_features(table: Any) -> dict[str, Any]:
    kind = kind_of(table)
    if kind in ("frame", "series"):
        return _frame(table.to_frame() if kind == "series" else table)
    if kind == "array":
        return _array(table)
    if kind == "sparse":
        return {"stored_values": int(table.nnz), **_counted({"": _missing(getattr(table, "data", None))})}
    if kind == "polars frame":
        columns = [table.to_series(at) for at in spread(table.width, WIDE).tolist()]
        missing = {one.name: int(one.null_count()) for one in columns}
        return {"dtypes": _tally(str(one.dtype) for one in columns), **_counted(missing)}
    if kind == "arrow":
        at = spread(table.num_columns, WIDE).tolist()
        missing = {table.schema.names[each]: int(table.column(each).null_count) for each in at}
        return {"dtypes": _tally(str(table.schema.types[each]) for each in at), **_counted(missing)}
    return {}


def _frame(frame: Any) -> dict[str, Any]:
    rows, width = frame.shape
    if not width:
        return {}
    seen, at_once = _sample(frame, rows * width, width), frame
    if width > WIDE:
        at_once = seen = seen.iloc[:, spread(width, WIDE)]
    missing = dict(zip(map(str, seen.columns), seen.isna().to_numpy().sum(axis=0).tolist(), strict=True))
    facts: dict[str, Any] = {"dtypes": _tally(map(str, at_once.dtypes)), **_counted(missing)}
    if width > WIDE:
        facts["counted_columns"] = WIDE
    return {**facts, **_rows_seen(rows, len(seen)), **_rows_hashed(rows, 8 * width)}


def _sample(table: Any, cells: int, width: int) -> Any:
    """Return the table itself, or evenly spaced rows of it that hold an eighth of `CELLS`."""
    if cells <= CELLS:
        return table
    step = max(1, len(table) // max(2, CELLS // 8 // (width or 1)))
    return table.iloc[::step] if hasattr(table, "iloc") else table[::step]


def _array(array: Any) -> dict[str, Any]:
    if not array.size or not array.ndim:
        return {}
    width = array.size // len(array)
    mapped = is_mapped(array)
    seen = array[spread(len(array), 50)] if mapped and len(array) > 50 else _sample(array, array.size, width)
    facts = {**_rows_seen(len(array), len(seen)), **_rows_hashed(len(array), width * array.itemsize, mapped)}
    if seen.ndim > 2 or width > WIDE:
        return {**facts, **_counted({"": _missing(seen)}), **_counted({"": _infinite(seen)}, "infinite")}
    columns = seen if seen.ndim > 1 else seen[:, None]
    if array.dtype.kind not in "OfcMm" and not is_a("numpy.ma", ("MaskedArray",), array):
        return facts
    if array.dtype.kind != "O" and not _missing(columns) and not _infinite(columns):
        return facts
    missing = {str(at): _missing(columns[:, at]) for at in range(columns.shape[1])}
    infinite = {str(at): _infinite(columns[:, at]) for at in range(columns.shape[1])}
    return {**facts, **_counted(missing), **_counted(infinite, "infinite")}


def _missing(values: Any) -> int:
    import numpy

    if is_a("numpy.ma", ("MaskedArray",), values):
        return int(numpy.ma.getmaskarray(values).sum())
    kind = getattr(getattr(values, "dtype", None), "kind", "")
    if kind in ("f", "c"):
        return int(numpy.isnan(values).sum())
    if kind in ("M", "m"):
        return int(numpy.isnat(values).sum())
    return sum(map(is_null, values.ravel()[:OBJECTS].tolist())) if kind == "O" else 0


def _infinite(values: Any) -> int:
    import numpy

    return int(numpy.isinf(values).sum()) if values.dtype.kind in "fc" else 0


def _counted(numbers: dict[str, int], name: str = "missing") -> dict[str, Any]:
    """Say which columns have such values; one without a name stands for the whole table."""
    there = {column: number for column, number in numbers.items() if number}
    if not there:
        return {}
    if set(there) == {""}:
        return {f"{name}_values": there[""]}
    most = sorted(there, key=lambda column: -there[column])[:NAMED]
    return {name: {column: there[column] for column in there if column in most}, f"{name}_columns": len(there)}


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common(CLASSES))


def _rows_seen(rows: int, seen: int) -> dict[str, int]:
    return {"counted_rows": seen} if seen < rows else {}


def _rows_hashed(rows: int, width: int, mapped: bool = False) -> dict[str, int]:
    hashed = rows_hashed(rows, width, mapped)
    return {"digest_rows": hashed} if hashed < rows else {}


def _of_target(targets: Any) -> Any:
    columns = [_of_column(one) for one in _columns(targets)]
    return columns[0] if len(columns) == 1 else columns


def _columns(targets: Any) -> list[Any]:
    """Return the columns of a target that are told of, as one-dimensional arrays or Series."""
    import numpy

    kind = kind_of(targets)
    if kind == "sparse":
        return []  # to count its zeros needs none of it, and tells nothing that `stored_values` does not
    if kind in _BY_COLUMN:
        width, column = _BY_COLUMN[kind]
        return [column(targets, at) for at in range(min(OUTPUTS, width(targets)))]
    if kind == "list":
        targets = [targets[at] for at in spread(len(targets), OBJECTS * 10).tolist()]
    array = numpy.asarray(targets)
    if array.ndim == 1:
        return [array]
    return [array[:, at] for at in range(min(OUTPUTS, array.shape[1]))] if array.ndim == 2 else []


_BY_COLUMN: dict[str, tuple[Callable[[Any], int], Callable[[Any, int], Any]]] = {
    "series": (lambda table: 1, lambda table, at: table),
    "frame": (lambda table: table.shape[1], lambda table, at: table.iloc[:, at]),
    "polars frame": (lambda table: table.width, lambda table, at: table.to_series(at).to_numpy()),
    "arrow": (lambda table: table.num_columns, lambda table, at: table.column(at).to_numpy()),
}


def _of_column(column: Any) -> dict[str, Any]:
    if is_a("pandas", ("CategoricalDtype",), column.dtype):
        return _categories(column)
    rows, plain = len(column), is_a("numpy", ("dtype",), column.dtype)
    most = {"b": CELLS, "i": CELLS, "u": CELLS, "f": CELLS // 4}.get(column.dtype.kind, OBJECTS) if plain else OBJECTS
    step = max(1, rows // most)
    values = column.iloc[::step].to_numpy() if hasattr(column, "iloc") else column[::step]
    kind = values.dtype.kind
    facts = _whole_numbers(values) if kind in "biu" else _floats(values) if kind == "f" else _words(values)
    return {**facts, **_rows_seen(rows, len(values))}


def _categories(column: Any) -> dict[str, Any]:
    import numpy

    counts = numpy.bincount(column.cat.codes.to_numpy() + 1, minlength=len(column.cat.categories) + 1).tolist()
    named = {str(name): count for name, count in zip(column.cat.categories, counts[1:], strict=True)}
    return {**_classes(named), **({"missing": counts[0]} if counts[0] else {})}


def _whole_numbers(values: Any) -> dict[str, Any]:
    import numpy

    if not len(values):
        return {}
    least, most = int(values.min()), int(values.max())
    if most - least > SPREAD:
        return _range(values)
    counts = numpy.bincount(values.astype(numpy.int64) - least).tolist()
    name = bool if values.dtype.kind == "b" else int
    return _classes({str(name(least + at)): count for at, count in enumerate(counts) if count})


def _floats(values: Any) -> dict[str, Any]:
    import numpy

    finite = values[numpy.isfinite(values)]
    wrong = {"missing": _missing(values), "infinite": _infinite(values)}
    facts = {name: count for name, count in wrong.items() if count}
    if not len(finite):
        return facts
    first = finite[:1000]
    if (first == numpy.floor(first)).all() and len(numpy.unique(first)) <= FEW:
        different, counts = numpy.unique(finite, return_counts=True)
        if len(different) <= FEW and (different == numpy.floor(different)).all():
            return {**_classes(dict(zip(map(str, different.tolist()), counts.tolist(), strict=True))), **facts}
    return {**_range(finite), **facts}


def _range(values: Any) -> dict[str, Any]:
    import numpy

    quantiles = numpy.quantile(values[:: max(1, len(values) // OBJECTS)], QUANTILES).tolist()
    spread_out = {"min": float(values.min()), "max": float(values.max()), "mean": float(values.mean())}
    return {**spread_out, "quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True))}


def _words(values: Any) -> dict[str, Any]:
    cells = values.tolist()
    known = [str(cell)[:100] for cell in cells if type(cell) is str or not is_null(cell)]
    counts = dict(Counter(known))
    missing = len(cells) - len(known)
    return {**_classes(counts), **({"missing": missing} if missing else {})}


def _classes(counts: dict[str, int]) -> dict[str, Any]:
    if len(counts) <= CLASSES:
        return {"classes": counts}
    most = dict(Counter(counts).most_common(CLASSES))
    others = sum(counts.values()) - sum(most.values())
    return {"classes": most, "other_classes": len(counts) - CLASSES, "other_rows": others}
