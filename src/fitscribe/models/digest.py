"""The digest of a dataset: 8 hexadecimal characters from a bounded sample of rows that covers every column."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

from fitscribe.guard import quietly
from fitscribe.models.kinds import is_a, is_array, kind_of

__all__ = ["ROWS", "WIDE", "digest_of", "is_mapped", "rows_hashed", "spread"]

ROWS = 10_000  # hashed at most, evenly spaced, the first and the last among them
BYTES = 600_000  # hashed at most of one table
OBJECTS = 10_000  # cells that are Python objects, hashed at most of one table
WIDE = 2000  # columns, beyond which so many of a frame are hashed, evenly spaced
MAPPED = 50  # rows hashed of an array that lies in a file: each may have to be read from the disk
LONG = 200  # characters hashed of each end of a long text

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def digest_of(*tables: Any) -> str:
    """Return one digest of tables of any known kind; equal data of equal types give equal digests in every process.

    The memory layout of an array and the index of a DataFrame play no part in it.
    """
    state = hashlib.blake2b(digest_size=4)
    for table in tables:
        for piece in _pieces(table):
            state.update(piece)
            state.update(b"\x1f")
    return state.hexdigest()


def spread(count: int, most: int) -> Any:
    """Return at most `most` (at least 2) positions below `count`, evenly spaced, the first and the last among them."""
    import numpy

    if count <= most:
        return numpy.arange(count)
    return numpy.linspace(0, count - 1, max(most, 2)).astype(numpy.int64)


def rows_hashed(rows: int, width: int, mapped: bool = False) -> int:
    """Return how many rows the digest covers of a table with so many rows of so many bytes each."""
    if not mapped and rows <= ROWS and rows * width <= BYTES:
        return rows
    return min(rows, MAPPED if mapped else ROWS, max(2, BYTES // (width or 1)))


def _pieces(table: Any) -> Iterable[Any]:
    kind = kind_of(table)
    return _READ[kind](table) if kind in _READ else [_text(type(table).__qualname__)]


def _text(*facts: Any) -> bytes:
    return repr(facts).encode("utf-8", "backslashreplace")


def _objects(cells: Iterable[Any]) -> bytes:
    return _ADDRESS.sub("", "\x1e".join(map(_cell, cells))).encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    if isinstance(value, (str, bytes)) and len(value) > 2 * LONG:  # whole documents are not hashed
        return f"{len(value)} {value[:LONG]!r} {value[-LONG:]!r}"
    return quietly(repr, value[:OBJECTS] if isinstance(value, list) else value, default=type(value).__qualname__)


def _array(array: Any, most: int = ROWS) -> Iterable[Any]:
    yield _text("array", array.dtype.str, array.shape)
    if not array.size:
        return
    flat = array.reshape(len(array), -1) if array.ndim > 1 else array[:, None] if array.ndim else array.reshape(1, 1)
    if array.dtype.kind in "OV":
        columns = spread(flat.shape[1], OBJECTS // 2)
        yield _objects(flat[spread(len(flat), OBJECTS // flat.shape[1])][:, columns].ravel().tolist())
        return
    rows = min(most, rows_hashed(len(flat), flat.shape[1] * array.dtype.itemsize, is_mapped(array)))
    sample = flat if rows == len(flat) else flat[spread(len(flat), rows)]
    if sample.nbytes > 2 * BYTES:  # a row alone is that large, as an image can be
        sample = sample[:, spread(flat.shape[1], BYTES // array.dtype.itemsize // 2)]
    yield sample.tobytes()


def is_mapped(array: Any) -> bool:
    """Say whether an array lies in a file, or is a part of one that does."""
    while array is not None:
        if is_a("numpy", ("memmap",), array):
            return True
        array = getattr(array, "base", None)
    return False


def _pandas(frame: Any) -> Iterable[Any]:
    yield _text("frame", frame.shape)
    if frame.shape[1] > WIDE:
        # fewer rows first: to take columns of a whole frame copies them
        frame = _rows(frame, max(2, BYTES // (8 * frame.shape[1]))).iloc[:, spread(frame.shape[1], WIDE)]
    dtypes = list(frame.dtypes)
    yield _text([str(name) for name in frame.columns], [str(dtype) for dtype in dtypes])
    plain = [_is_plain(dtype) for dtype in dtypes]
    sample = _rows(frame, rows_hashed(len(frame), 8 * len(dtypes)))
    if all(plain) and len(set(dtypes)) == 1:
        yield sample.to_numpy().tobytes()
        return
    few = min(len(sample), OBJECTS // (len(dtypes) - sum(plain) or 1))
    for is_plain, (_, column) in zip(plain, sample.items(), strict=True):
        yield column.to_numpy().tobytes() if is_plain else _objects(_rows(column, few).tolist())


def _rows(table: Any, most: int) -> Any:
    return table if len(table) <= most else table.iloc[spread(len(table), most)]


def _is_plain(dtype: Any) -> bool:
    return is_a("numpy", ("dtype",), dtype) and dtype.kind in "biufcmM"


def _polars(frame: Any) -> Iterable[Any]:
    yield _text("polars", frame.height, frame.width)
    columns = [frame.to_series(at) for at in spread(frame.width, WIDE).tolist()]
    yield _text([(one.name, str(one.dtype)) for one in columns])
    rows = spread(frame.height, rows_hashed(frame.height, 8 * len(columns)))
    few = rows[spread(len(rows), OBJECTS // (len(columns) or 1))].tolist()
    for column in columns:
        values = quietly(_uncopied, column, default=None)
        yield values[rows].tobytes() if _is_numeric(values) else _objects(column.gather(few).to_list())


def _uncopied(column: Any) -> Any:
    return column.to_numpy(allow_copy=False)  # it raises where there are missing values, or several chunks


def _is_numeric(values: Any) -> bool:
    return is_array(values) and values.dtype.kind in "biufmM"


def _arrow(table: Any) -> Iterable[Any]:
    names, kinds = table.schema.names, table.schema.types
    yield _text("arrow", table.num_rows, table.num_columns)
    chosen = spread(table.num_columns, WIDE).tolist()
    yield _text([(names[at], str(kinds[at])) for at in chosen])
    for at in chosen:
        yield from _arrow_column(table.column(at), max(2, OBJECTS // 2 // (len(chosen) or 1)))


def _arrow_column(column: Any, most: int = ROWS) -> Iterable[Any]:
    """Hash values where they lie, one short piece after the other: to pick single rows would copy whole chunks."""
    yield _text("column", str(column.type), len(column))
    pieces = 1 if len(column) <= most else min(20, most)
    size = len(column) if pieces == 1 else max(1, most // pieces)
    for at in spread(max(1, len(column) - size + 1), pieces).tolist() if pieces > 1 else [0]:
        piece = column.slice(at, size)
        values: Any = None if piece.null_count else quietly(piece.to_numpy, default=None)
        yield values.tobytes() if _is_numeric(values) else _objects(piece.to_pylist())


def _sparse(matrix: Any) -> Iterable[Any]:
    yield _text("sparse", matrix.format, matrix.dtype.str, matrix.shape, matrix.nnz)
    for name in ("data", "indices", "indptr", "row", "col", "offsets", "rows"):  # each format has some of them
        part = getattr(matrix, name, None)
        if is_array(part):
            yield from _array(part, most=BYTES // 8)


def _listed(rows: Any) -> Iterable[Any]:
    yield _text("list", len(rows))
    width = len(rows[0]) if rows and isinstance(rows[0], (list, tuple)) else 1
    sample = [rows[at] for at in spread(len(rows), min(ROWS, OBJECTS // (width or 1))).tolist()]
    numbers = _numbers(sample)
    yield _objects(sample) if numbers is None else numbers.tobytes()


def _numbers(rows: list[Any]) -> Any:
    """Make an array of lists of numbers, which takes a tenth of the time that writing them out does."""
    import numpy

    first = rows[0] if rows else None
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if not isinstance(first, (int, float, numpy.generic)):
        return None
    array = quietly(numpy.asarray, rows, default=None)  # ragged lists make none
    return array if array is not None and array.dtype.kind in "biufc" else None


_READ: dict[str, Callable[[Any], Iterable[Any]]] = {
    "array": _array,
    "frame": _pandas,
    "series": lambda table: _pandas(table.to_frame()),
    "polars frame": _polars,
    "polars series": lambda table: _polars(table.to_frame()),
    "arrow": _arrow,
    "arrow column": _arrow_column,
    "sparse": _sparse,
    "arrays": lambda table: (piece for name, array in table.items() for piece in (_text(name), *_array(array))),
    "list": _listed,
    "records": _listed,
}
