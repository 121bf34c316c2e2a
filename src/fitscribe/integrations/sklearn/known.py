"""What is known of the user's objects: by weak references, so that nothing is put on them and none is kept alive."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Known", "weakly"]


class Known:
    """What is known of living objects, by identity: they may be equal, or not hashable.

    An id alone says nothing: the next object may lie where one died.
    """

    def __init__(self) -> None:
        self.entries: dict[int, tuple[weakref.ref[Any], Any]] = {}

    def get(self, thing: Any) -> Any:
        """Return what is known of an object, or None."""
        reference, found = self.entries.get(id(thing), (None, None))
        return found if reference is not None and reference() is thing else None

    def put(self, thing: Any, what: Any, gone: Callable[[Any], None] | None = None) -> None:
        """Remember `what` for as long as the object lives, then call `gone` with it: in any thread, at any time.

        `TypeError`: the object takes no weak references, such as a list.
        """
        place, entries = id(thing), self.entries

        def let_go(reference: weakref.ref[Any]) -> None:
            if not sys.is_finalizing() and entries.get(place, (None,))[0] is reference:
                del entries[place]
                if gone is not None:
                    gone(what)

        entries[place] = weakref.ref(thing, let_go), what

    def forget(self, thing: Any) -> Any:
        """Forget an object, and return what was known of it."""
        found = self.get(thing)
        if found is not None:
            del self.entries[id(thing)]
        return found


def weakly(thing: Any) -> weakref.ref[Any] | None:
    """Return a weak reference, or None for what takes none, such as a list."""
    try:
        return None if thing is None else weakref.ref(thing)
    except TypeError:
        return None
