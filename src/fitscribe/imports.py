"""Calls back when a module has been imported, today or later.

A finder of our own instead of wrapt's post-import hooks: wrapt costs more at import than all the rest of
`autolog()` together, and here a callback cannot make the user's import fail.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TypeAlias

from fitscribe.guard import guarded, outcome

__all__ = ["before_first", "forget", "missing", "when_imported"]

Callback: TypeAlias = Callable[[ModuleType], None]


class _Finder:
    """Finds no module itself; marks the loaders of those that are waited for."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[Callback]] = {}
        self.first: Callable[[], None] | None = None
        self.through: set[str] = set()  # executed just now; Python still calls them "initializing"
        self.busy = threading.local()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if self.first is not None and "." not in name and name not in sys.stdlib_module_names:
            first, self.first = self.first, None
            with guarded("looking for integrations"):
                first()
        if name not in self.waiting or getattr(self.busy, "name", None) == name:
            return None
        self.busy.name = name
        try:
            spec = _others_spec(self, name, path, target)
        finally:
            self.busy.name = None
        if spec is not None and spec.loader is not None:
            with guarded(f"watching the import of {name}"):
                self.mark(spec.loader, name)
        return spec

    def mark(self, loader: Any, name: str) -> None:
        """Let the module's own loader tell us when it is through; its mark is gone before the module runs."""
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            ours = module.__name__ == name
            if ours and vars(loader).get("exec_module") is exec_module:
                del loader.exec_module
            execute(module)
            if ours:
                self.arrived(module)

        loader.exec_module = exec_module

    def arrived(self, module: ModuleType) -> None:
        name = module.__name__
        self.through.add(name)
        for callback in self.waiting.pop(name, []):
            with guarded(f"acting on the import of {name}"):
                callback(module)
        self.through.discard(name)


def _others_spec(
    finder: _Finder, name: str, path: Sequence[str] | None, target: ModuleType | None
) -> ModuleSpec | None:
    for other in sys.meta_path:
        if other is finder or not hasattr(other, "find_spec"):
            continue
        if (spec := other.find_spec(name, path, target)) is not None:
            return spec
    return None


_finder = _Finder()


def _install() -> None:
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def when_imported(name: str, callback: Callback) -> None:
    """Call `callback(module)` now if the module is there, else right after its import; errors are swallowed."""
    module = sys.modules.get(name)
    busy = getattr(getattr(module, "__spec__", None), "_initializing", False) and name not in _finder.through
    if module is not None and not busy:
        with guarded(f"acting on the import of {name}"):
            callback(module)
        return
    _finder.waiting.setdefault(name, []).append(callback)
    _install()


def before_first(callback: Callable[[], None]) -> None:
    """Call `callback()` once, just before the next import of a top-level module that is not Python's own."""
    _finder.first = callback
    _install()


def forget(callback: Callback | None = None) -> None:
    """Stop waiting with this callback, or (None) with all; with none left, the finder leaves `sys.meta_path`."""
    if callback is None:
        _finder.waiting.clear()
        _finder.first = None
    for name, callbacks in list(_finder.waiting.items()):
        left = [each for each in callbacks if each != callback]
        _finder.waiting[name] = left
        if not left:
            del _finder.waiting[name]
    if not _finder.waiting and _finder.first is None and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def missing(name: str) -> str:
    """Return the part of a module's name at which nothing can be imported, or "": where that cannot be known as well.

    Nothing is imported to find out: it is known of what lies in packages that are there.
    """
    import importlib.util

    parts = name.split(".")
    for place in range(1, len(parts)):
        above, inside = ".".join(parts[:place]), ".".join(parts[: place + 1])
        if above not in sys.modules:
            return ""
        if inside not in sys.modules:
            found = outcome(importlib.util.find_spec, inside)
            return inside if found is None or isinstance(found, ModuleNotFoundError) else ""
    return ""
