"""`fitscribe integrations`: what is installed to record which framework, and if not, why."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from fitscribe import discovery
from fitscribe.errors import Unavailable
from fitscribe.installed import Plugin

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Listed", "command", "listed"]

COLOURS = {"on": "green", "not installed": "dim", "wrong version": "yellow", "broken": "red", "shadowed": "yellow"}


class Listed(NamedTuple):
    """One integration: who brings it, for which versions of what, whether it is on, and if not, why."""

    name: str
    package: str = ""
    package_version: str = ""
    framework: str = ""  # the distribution
    found: str = ""  # its version
    supported: str = ""
    tested: str = ""
    state: str = "on"  # or `not installed`, `wrong version`, `broken`, `shadowed`
    reason: str = ""
    options: dict[str, str] | None = None


@click.command("integrations")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(as_json: bool) -> None:
    """List the integrations, the framework that each is for, and whether it is on.

    `on` is recorded from `fitscribe.autolog()` on, as soon as the framework is imported, which this does not do.
    """
    found = list(listed())
    if as_json:
        click.echo(json.dumps([each._asdict() for each in found], indent=2))
        return
    from rich.console import Console

    Console().print(_table(found))
    for each in found:
        if each.reason:
            click.echo(f"{each.name}: {each.reason}")


def _table(found: list[Listed]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("name", "found", "supported", "tested", "state", "package", box=None, padding=(0, 1, 0, 0))
    for column in table.columns[:5]:
        column.no_wrap = True
    table.columns[5].overflow = "fold"
    for each in found:
        named = "" if each.framework.replace("-", "_").startswith(each.name) else each.framework
        ours = each.package == "fitscribe"
        table.add_row(
            Text(each.name, style="bold"),
            Text(f"{named} {each.found}".strip() if each.found else "-"),
            Text(each.supported),
            Text(each.tested),
            Text(each.state, style=COLOURS[each.state]),
            Text(each.package if ours else f"{each.package} {each.package_version}".strip()),
        )
    return table


def listed() -> Iterator[Listed]:
    """Look at every integration that is installed, by name; of several for one framework the one in use comes first.

    Their modules are imported, which is light; one that cannot be is listed as broken.
    """
    for name, plugins in sorted(discovery.installed().items()):
        with (
            contextlib.suppress(Unavailable),
            contextlib.redirect_stdout(sys.stderr),
        ):  # what a plugin prints is no JSON
            discovery.integration(name)
        used = discovery.chosen(name)
        place = next((place for place, each in enumerate(plugins) if each is used), len(plugins))
        if used is not None:
            yield _used(name, used)
        yield from (_broken(name, each) for each in plugins[:place])
        for other in plugins[place + 1 :]:
            yield Listed(name, *other.distribution, state="shadowed", reason=f"{plugins[place].title} is used")


def _broken(name: str, plugin: Plugin) -> Listed:
    about = Listed(name, *plugin.distribution, state="broken")
    try:
        with contextlib.redirect_stdout(sys.stderr):
            plugin.load()
    except Unavailable as reason:
        return about._replace(reason=str(reason))
    return about


def _used(name: str, plugin: Plugin) -> Listed:
    integration = discovery.integration(name)
    framework = integration.framework
    distribution, version = framework.found()
    about = Listed(
        name,
        *plugin.distribution,
        framework=distribution or framework.wanted.name,
        found=version,
        supported=str(framework.wanted.specifier),
        tested=str(framework.tested),
        options={option: repr(value) for option, value in sorted(integration.defaults.items())},
    )
    try:
        return about._replace(reason=framework.untried())
    except Unavailable as reason:
        if distribution:
            return about._replace(state="wrong version", reason=str(reason))
        hint = f"pip install 'fitscribe[{name}]'" if plugin.ours else str(reason)
        return about._replace(state="not installed", reason=hint)
