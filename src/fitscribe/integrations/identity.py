"""What is known of the user's objects, by which object it is: they may be equal, or not hashable.

Weak references do it, so that nothing is put on the objects and none is kept alive.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

__all__ = ["ByIdentity", "weakly"]

V = TypeVar("V")


class ByIdentity(Generic[V]):
    """Values for living objects.

    An id alone says nothing: the next object may lie where one died.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Any], V]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def get(self, thing: Any) -> V | None:
        """Return the value for this very object, None without one."""
        found = self._found.get(id(thing))
        return found[1] if found is not None and found[0]() is thing else None

    def put(self, thing: Any, value: V, gone: Callable[[V], None] | None = None) -> None:
        """Keep a value for as long as the object lives, then call `gone` with it: in any thread, at any time.

        `TypeError`: the object takes no weak references, such as a list.
        """
        place, kept = id(thing), self._found

        def let_go(reference: weakref.ref[Any]) -> None:
            found = None if sys.is_finalizing() else kept.get(place)
            if found is not None and found[0] is reference:
                del kept[place]
                if gone is not None:
                    gone(value)

        kept[place] = weakref.ref(thing, let_go), value

    def pop(self, thing: Any) -> V | None:
        """Forget the value for this very object, and return it."""
        found = self.get(thing)
        if found is not None:
            self._found.pop(id(thing), None)
        return found


def weakly(thing: Any) -> weakref.ref[Any] | None:
    """Return a weak reference, or None for what takes none, such as a list."""
    try:
        return None if thing is None else weakref.ref(thing)
    except TypeError:
        return None
