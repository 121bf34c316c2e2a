"""What is known of objects that are not ours, for as long as they live: by which object it is, not by what it equals.

A user's model may define `==` without a hash, or answer it with an array.
"""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

__all__ = ["ByIdentity"]

V = TypeVar("V")


class ByIdentity(Generic[V]):
    """Values for objects; neither keeps the other alive."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Any], V]] = {}

    def get(self, thing: Any) -> V | None:
        """Return the value for this very object, None without one."""
        found = self._found.get(id(thing))
        return found[1] if found is not None and found[0]() is thing else None

    def put(self, thing: Any, value: V) -> None:
        """Keep a value for this very object. `TypeError`: no weak reference can be made to it."""
        key, kept = id(thing), self._found

        def forget(gone: weakref.ref[Any]) -> None:
            if (found := kept.get(key)) is not None and found[0] is gone:  # its place in memory may be another's
                del kept[key]

        kept[key] = (weakref.ref(thing, forget), value)

    def pop(self, thing: Any) -> V | None:
        """Forget the value for this very object and return it."""
        value = self.get(thing)
        if value is not None:
            self._found.pop(id(thing), None)
        return value
