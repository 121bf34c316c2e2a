"""Integrations are switched on when their framework arrives, and loaded no sooner."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fitscribe import imports
from fitscribe.errors import Unavailable
from fitscribe.guard import guarded, inform, log

if TYPE_CHECKING:
    from fitscribe.installed import Plugin
    from fitscribe.integration import Integration

__all__ = ["chosen", "disable", "enable", "enable_all", "installed", "integration", "names"]

_entries: dict[str, list[Plugin]] | None = None
_loaded: dict[str, Integration] = {}
_chosen: dict[str, Plugin] = {}
_broken: set[str] = set()


def installed() -> dict[str, list[Plugin]]:
    """Return the entry points by name, of each name the one that is used first; read once, in tens of milliseconds."""
    global _entries
    if _entries is None:
        from fitscribe.installed import plugins

        _entries = plugins()
    return _entries


def names() -> list[str]:
    """Return the names of all integrations installed here, sorted."""
    return sorted(installed())


def integration(name: str) -> Integration:
    """Load one integration, without importing its framework.

    Of several packages that bring one, the first that can be loaded is used. `Unavailable`: nobody installed one of
    that name, or none can be loaded.
    """
    if name not in _loaded:
        if name not in installed():
            raise Unavailable(f"no integration is named {name!r}; there is {', '.join(names()) or 'none'}")
        _chosen[name], _loaded[name] = _first(installed()[name])
    return _loaded[name]


def chosen(name: str) -> Plugin | None:
    """Return which of the entry points of a name is used; None where none has been loaded."""
    return _chosen.get(name) if name in _loaded else None


def _first(plugins: list[Plugin]) -> tuple[Plugin, Integration]:
    """Load the first that can be loaded; ours makes way for any other without a warning."""
    failures: list[Unavailable] = []
    for place, plugin in enumerate(plugins, 1):
        try:
            found = plugin.load()
        except Unavailable as reason:
            failures.append(reason)
            continue
        for failure in failures:
            log().warning("%s; used is %s", failure, plugin.title)
        if others := plugins[place:]:
            say = inform if all(each.ours for each in others) else log().warning
            among = ", ".join(each.title for each in others)
            say("several packages record %s: used is %s, and not %s", plugin.entry.name, plugin.title, among)
        return plugin, found
    raise failures[0]


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
            found = self.loaded(name)
            if found is None:
                return
            found.configure_for_all(self.options)
            try:
                found.enable()
            except Unavailable as reason:
                inform("no autologging: %s", reason)
            _broken.discard(name)

    def loaded(self, name: str) -> Integration | None:
        """Load an integration, or say in one line whose it is and why that fails; the traceback is for DEBUG."""
        try:
            return integration(name)
        except Unavailable as reason:
            (log().debug if self.options.get("silent") else log().warning)("no autologging for %s: %s", name, reason)
            log().debug("why the integration for %s was not loaded", name, exc_info=reason)
        return None


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
