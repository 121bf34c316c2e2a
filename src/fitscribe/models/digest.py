"""The digest of a dataset: 8 hexadecimal characters from a bounded sample of rows that covers every column."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from fitscribe.guard import quietly
from fitscribe.models.kinds import is_a, is_array, kind_of

__all__ = ["digest_of", "spread"]

ROWS = 10_000  # hashed at most, evenly spaced, the first and the last among them
BYTES = 2_000_000  # hashed at most of one table
OBJECTS = 20_000  # cells that are Python objects, hashed at most of one table
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


def _pieces(table: Any) -> Iterable[Any]:
    kind = kind_of(table)
    if kind == "array":
        return _array(table)
    if kind in ("frame", "series"):
        return _pandas(table.to_frame() if kind == "series" else table)
    if kind in ("polars frame", "polars series"):
        return _polars(table.to_frame() if kind == "polars series" else table)
    if kind == "sparse":
        return _sparse(table)
    if kind == "arrays":
        return (piece for name, array in table.items() for piece in (_text(name), *_array(array)))
    return _listed(table) if kind in ("list", "records") else [_text(type(table).__qualname__)]


def _text(*facts: Any) -> bytes:
    return repr(facts).encode("utf-8", "backslashreplace")


def _objects(cells: Iterable[Any]) -> bytes:
    return _ADDRESS.sub("", "\x1e".join(map(_cell, cells))).encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    if isinstance(value, (str, bytes)) and len(value) > 2 * LONG:  # whole documents are not hashed
        return f"{len(value)} {value[:LONG]!r} {value[-LONG:]!r}"
    return repr(value[:OBJECTS] if isinstance(value, list) else value)


def _array(array: Any, most: int = ROWS) -> Iterable[Any]:
    yield _text("array", array.dtype.str, array.shape)
    if not array.size:
        return
    flat = array.reshape(len(array), -1) if array.ndim > 1 else array[:, None] if array.ndim else array.reshape(1, 1)
    if array.dtype.kind in "OV":
        columns = spread(flat.shape[1], OBJECTS // 2)
        yield _objects(flat[spread(len(flat), OBJECTS // flat.shape[1])][:, columns].ravel().tolist())
        return
    width = flat.shape[1] * array.dtype.itemsize
    sample = flat[spread(len(flat), min(most, BYTES // width))] if len(flat) > most or array.nbytes > BYTES else flat
    if sample.nbytes > 2 * BYTES:  # a row alone is that large, as an image can be
        sample = sample[:, spread(flat.shape[1], BYTES // array.dtype.itemsize // 2)]
    yield sample.tobytes()


def _pandas(frame: Any) -> Iterable[Any]:
    dtypes = list(frame.dtypes)
    yield _text("frame", len(frame), [str(name) for name in frame.columns], [str(dtype) for dtype in dtypes])
    plain = [_is_plain(dtype) for dtype in dtypes]
    if all(plain) and len(set(dtypes)) == 1:
        yield _rows(frame, min(ROWS, BYTES // (len(dtypes) * dtypes[0].itemsize))).to_numpy().tobytes()
        return
    sample = _rows(frame, min(ROWS, BYTES // (8 * len(dtypes) or 1)))
    few = min(len(sample), OBJECTS // (len(dtypes) - sum(plain) or 1))
    for is_plain, (_, column) in zip(plain, sample.items(), strict=True):
        yield column.to_numpy().tobytes() if is_plain else _objects(_rows(column, few).tolist())


def _rows(table: Any, most: int) -> Any:
    return table if len(table) <= most else table.iloc[spread(len(table), most)]


def _is_plain(dtype: Any) -> bool:
    return is_a("numpy", ("dtype",), dtype) and dtype.kind in "biufcmM"


def _polars(frame: Any) -> Iterable[Any]:
    yield _text("polars", frame.height, frame.columns, [str(dtype) for dtype in frame.dtypes])
    rows = spread(frame.height, OBJECTS // max(1, frame.width)).tolist()
    for column in frame.get_columns():
        yield _objects(column.gather(rows).to_list())


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
