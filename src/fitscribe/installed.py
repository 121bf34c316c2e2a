"""The integrations that are installed, ours and third parties': found by entry point, loaded one by one.

An entry point of the group `fitscribe.integrations` is named as the framework's top-level module is imported, and leads
to an `Integration` of that name. Where several packages bring one for the same framework, one is used and the others
are not: a third party's before ours, since somebody installed it on purpose; of third parties' the first by the
package's name. One that cannot be loaded makes way for the next.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from fitscribe.errors import Unavailable
from fitscribe.guard import outcome, quietly, warn_once

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

    from fitscribe.integration import Integration

__all__ = ["GROUP", "Plugin", "plugins"]

GROUP = "fitscribe.integrations"
OURS = "fitscribe"
LEADS = re.compile(r"\s*[\w.]+\s*:\s*[\w.]+\s*(\[.*\]\s*)?")


class Plugin(NamedTuple):
    """One entry point."""

    entry: EntryPoint

    @property
    def distribution(self) -> tuple[str, str]:
        """Name and version of the package that brings it, as far as its metadata tells."""
        there = self.entry.dist
        return tuple(str(quietly(getattr, there, part, default="") or "") for part in ("name", "version"))  # type: ignore[return-value]

    @property
    def title(self) -> str:
        """What is to be mended when it does not work: `fakeml = fakeml_scribe:integration (fakeml-scribe 1.0)`."""
        return f"{self.entry.name} = {self.entry.value} ({' '.join(self.distribution).strip() or 'of no package'})"

    @property
    def ours(self) -> bool:
        """True for one of those that come with fitscribe."""
        return self.distribution[0].lower() == OURS

    def load(self) -> Integration:
        """Import its module, not its framework. `Unavailable`, with the cause: that fails, or is no integration."""
        from fitscribe.integration import Integration

        if not LEADS.fullmatch(self.entry.value):
            raise Unavailable(f"the integration {self.title} leads nowhere: it is written 'module:object'")
        try:
            found = outcome(self.entry.load)
        except SystemExit as error:  # the user's program does not end because a plugin wants to
            raise Unavailable(f"the integration {self.title} ends the program when it is imported") from error
        if isinstance(found, Exception):
            reason = f"{type(found).__name__}: {found}".partition("\n")[0]
            raise Unavailable(f"the integration {self.title} cannot be loaded: {reason}") from found
        if not isinstance(found, Integration):
            raise Unavailable(f"the integration {self.title} is no fitscribe.Integration but a {type(found).__name__}")
        if found.name != self.entry.name:
            raise Unavailable(
                f"the integration {self.title} calls itself {found.name!r}; it should have the entry point's name, "
                "which is that of the framework's module"
            )
        if not self.ours:
            found.origin = lambda: f"({' '.join(self.distribution).strip()})"
        return found


def plugins() -> dict[str, list[Plugin]]:
    """Return the entry points by name, of each name the one that is used first."""
    found: dict[str, list[Plugin]] = {}
    for entry in _entries():
        found.setdefault(entry.name, []).append(Plugin(entry))
    for several in found.values():
        if len(several) > 1:
            several.sort(key=_precedence)
    return found


def _precedence(plugin: Plugin) -> tuple[bool, str, str]:
    return plugin.ours, plugin.distribution[0].lower(), plugin.entry.value


def _entries() -> list[EntryPoint]:
    from importlib import metadata

    found = outcome(lambda: list(metadata.entry_points(group=GROUP)))
    if not isinstance(found, Exception):
        return found
    all_of_them: dict[str, list[EntryPoint]] = {}  # a package with broken metadata must not hide the others
    for distribution in metadata.distributions():
        name = str(quietly(lambda of: of.name, distribution, default="") or "a package without a name")
        entries = outcome(_of_group, distribution)
        if isinstance(entries, Exception):
            warn_once("the entry points of %s cannot be read: %s", name, entries)
        else:
            all_of_them.setdefault(name, entries)
    return [entry for entries in all_of_them.values() for entry in entries]


def _of_group(distribution: Distribution) -> list[EntryPoint]:
    return list(distribution.entry_points.select(group=GROUP))
