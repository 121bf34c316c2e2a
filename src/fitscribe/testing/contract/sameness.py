"""Whether two results of a training are the same, whatever they are; in words where they differ."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

from fitscribe.guard import quietly

__all__ = ["difference"]

DEEP = 12  # levels below which two things count as the same
PLAIN = (str, bytes, int, float, complex, bool, type(None), type, set, frozenset)


def difference(one: Any, other: Any, where: str = "the result") -> str:
    """Say where `one` is not as `other` is, or "": by what things hold, to the last bit of a number.

    Numbers, texts, containers, arrays, frames, and objects by their attributes; what shows nothing counts as the same.
    """
    return _Walk().differ(one, other, where, 0)


class _Walk:
    """One comparison; it knows the pairs it has seen, since objects may lie in one another's attributes."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def differ(self, one: Any, other: Any, where: str, deep: int) -> str:
        pair = id(one), id(other)
        if one is other or pair in self.seen or deep > DEEP:
            return ""
        self.seen.add(pair)
        if type(one) is not type(other):
            return f"{where} is of type {type(one).__name__}, and was of type {type(other).__name__}"
        if isinstance(one, PLAIN):
            nan = isinstance(one, float) and math.isnan(one) and math.isnan(other)
            return "" if one == other or nan else _two(where, one, other)
        if isinstance(one, Mapping):
            return self._mappings(one, other, where, deep)
        return (self._sequences if isinstance(one, list | tuple) else self._objects)(one, other, where, deep)

    def _mappings(self, one: Any, other: Any, where: str, deep: int) -> str:
        if list(map(str, one)) != list(map(str, other)):
            return _two(f"{where}: its keys", list(one), list(other))
        pairs = zip(one.items(), other.values(), strict=True)
        return self._first(self.differ(mine, theirs, f"{where}[{key!r}]", deep + 1) for (key, mine), theirs in pairs)

    def _sequences(self, one: Any, other: Any, where: str, deep: int) -> str:
        if len(one) != len(other):
            return _two(f"{where}: its length", len(one), len(other))
        pairs = enumerate(zip(one, other, strict=True))
        return self._first(self.differ(mine, theirs, f"{where}[{n}]", deep + 1) for n, (mine, theirs) in pairs)

    def _objects(self, one: Any, other: Any, where: str, deep: int) -> str:
        if hasattr(one, "tocoo"):
            return self.differ(_cells(one), _cells(other), where, deep + 1)
        if (mine := _array(one)) is not None and (theirs := _array(other)) is not None:
            return _arrays(mine, theirs, where)
        if hasattr(one, "equals"):  # a frame, a series, an index
            return "" if quietly(one.equals, other, default=True) else f"{where} is another {type(one).__name__}"
        mine, theirs = _held(one), _held(other)
        if mine is not None and theirs is not None:
            return self.differ(mine, theirs, f"the attributes of {where}", deep + 1)
        return ""

    def _first(self, found: Any) -> str:
        return next(filter(None, found), "")


def _two(where: str, one: object, other: object) -> str:
    return f"{where} is {one!r:.120}, and was {other!r:.120}"


def _array(thing: Any) -> Any:
    """Return an array as numpy's, or None for what is none."""
    if not (hasattr(thing, "shape") and hasattr(thing, "dtype")) or "numpy" not in sys.modules:
        return None
    if hasattr(thing, "detach"):
        thing = thing.detach().cpu()
    return quietly(sys.modules["numpy"].asarray, thing, default=None)


def _cells(sparse: Any) -> dict[str, Any]:
    """Return what a sparse matrix holds, without what it has come to know of itself."""
    cells = sparse.tocoo()
    return {"shape": cells.shape, "row": cells.row, "column": cells.col, "data": cells.data}


def _arrays(one: Any, other: Any, where: str) -> str:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return _two(where, (one.shape, str(one.dtype)), (other.shape, str(other.dtype)))
    if one.dtype.hasobject:
        return difference(one.tolist(), other.tolist(), where)
    if one.tobytes() == other.tobytes():
        return ""
    unlike = [n for n, (mine, theirs) in enumerate(zip(one.flat, other.flat, strict=True)) if mine != theirs]
    unlike = [n for n in unlike if one.flat[n] == one.flat[n] or other.flat[n] == other.flat[n]]  # NaN is NaN
    return f"{where} differs in {len(unlike)} of {one.size} values" if unlike else ""


def _held(thing: Any) -> Any:
    """Return what an object holds: its attributes, else what it would be pickled as; None where neither is to be had.

    What cannot be pickled (a lock, a handle of a library) has nothing that could be compared.
    """
    if callable(thing) and hasattr(thing, "__qualname__"):
        return thing.__qualname__
    if hasattr(thing, "__dict__"):
        return {key: value for key, value in vars(thing).items() if not _private(key)}
    reduced = quietly(thing.__reduce_ex__, 2, default=None)
    return list(reduced[1:3]) if isinstance(reduced, tuple) else None


def _private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("__")
