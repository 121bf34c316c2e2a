"""Entry points -> integrations, found without importing them and loaded when their framework arrives.

An entry point of the group `fitscribe.integrations` is named as the framework's top-level module is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fitscribe import imports
from fitscribe.errors import Unavailable
from fitscribe.guard import guarded, inform

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from fitscribe.integration import Integration

__all__ = ["GROUP", "disable", "enable", "enable_all", "integration", "names"]

GROUP = "fitscribe.integrations"

_entries: dict[str, EntryPoint] | None = None
_loaded: dict[str, Integration] = {}
_broken: set[str] = set()


def _found() -> dict[str, EntryPoint]:
    """Read the entry points, once: it takes tens of milliseconds in a large environment."""
    global _entries
    if _entries is None:
        from importlib.metadata import entry_points

        _entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    return _entries


def names() -> list[str]:
    """Return the names of all integrations installed here, sorted."""
    return sorted(_found())


def integration(name: str) -> Integration:
    """Load one integration, without importing its framework.

    `Unavailable`: nobody installed one of that name. What a broken plugin's module raises passes through.
    """
    if name not in _loaded:
        if name not in _found():
            raise Unavailable(f"no integration is named {name!r}; there is {', '.join(names()) or 'none'}")
        _loaded[name] = _found()[name].load()
    return _loaded[name]


def enable(name: str, options: Mapping[str, Any]) -> None:
    """Switch one integration on because the user named it: what stands in the way is raised."""
    found = integration(name)
    found.configure(options, explicit=True)
    found.enable()


class _All:
    """What `autolog()` asked for: every integration whose framework is or will be imported."""

    def __init__(self, options: Mapping[str, Any], without: frozenset[str], ready: Callable[[], object]) -> None:
        self.options, self.without, self.ready = options, without, ready

    def begin(self) -> None:
        """Look now if any framework may be there already, else when the first one comes."""
        if any(_foreign(name) for name in list(sys.modules)):
            self.look()
        else:
            imports.before_first(self.look)

    def look(self) -> None:
        for name in names():
            if name not in self.without and name not in _broken:
                imports.when_imported(name, self.arrived)

    def arrived(self, module: ModuleType) -> None:
        """Switch on the integration of a framework; one that fails disables itself alone."""
        name = module.__name__
        _broken.add(name)  # until it is through
        with guarded(f"the integration for {name}"):
            self.ready()
            found = integration(name)
            found.configure({k: v for k, v in self.options.items() if k in found.defaults}, explicit=False)
            try:
                found.enable()
            except Unavailable as reason:
                inform("no autologging: %s", reason)
            _broken.discard(name)


_all: _All | None = None


def _foreign(name: str) -> bool:
    return "." not in name and not name.startswith("_") and name not in sys.stdlib_module_names and name != "fitscribe"


def enable_all(options: Mapping[str, Any], without: frozenset[str], ready: Callable[[], object]) -> None:
    """Switch on every integration but `without`, each when its framework is imported; nothing here raises.

    `ready()` is called before an integration is loaded: what it needs is not imported a moment sooner.
    """
    global _all
    if _all is not None:
        imports.forget(_all.arrived)
    _all = _All(options, without, ready)
    _all.begin()


def disable(name: str | None = None) -> None:
    """Switch one integration off, or all (None), and put back what they replaced."""
    global _all
    if name is None:
        _all = None
        imports.forget()
    for each in [name] if name else list(_loaded):
        if each in _loaded:
            _loaded[each].disable()
