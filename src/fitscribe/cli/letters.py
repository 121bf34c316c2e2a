"""What servers refused: a table of the dead letters, and sending them once more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from fitscribe.dialects import Dialect

__all__ = ["again", "mention", "show"]

LONGEST = 60  # characters of what a record says
NONE = "no server has refused anything that was recorded in {}"


def show(journal: Path) -> None:
    """Print the dead letters of a journal's folder."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fitscribe.shipping.letters import letters

    found = letters(journal)
    if not found:
        return click.echo(NONE.format(journal))
    table = Table(title=f"refused, and kept in {journal}", title_justify="left")
    for heading in ("when", "run", "what", "the server's words"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "when")
    for each in found.values():
        words = each.words if len(each.words) <= LONGEST else f"{each.words[: LONGEST - 1]}…"
        when = f"{datetime.fromtimestamp(each.at / 1000):%Y-%m-%d %H:%M:%S}"
        what = f"{each.record.get('type', '')} {words}".strip()
        table.add_row(when, Text((each.theirs or each.run)[:8]), Text(what), Text(f"{each.why} ({each.to})"))
    return Console().print(table)


def again(journal: Path, dialect_for: Callable[[str], Dialect]) -> None:
    """Send the dead letters once more. `SystemExit`: not all of them were taken."""
    from fitscribe.shipping.courier import Courier
    from fitscribe.shipping.letters import letters
    from fitscribe.shipping.resending import resend

    if not letters(journal):
        return click.echo(NONE.format(journal))
    try:
        there, taken = resend(journal, Courier(dialect_for, journal))
    except OSError as error:
        raise click.ClickException(f"{journal}: {error.strerror or error}") from None
    click.echo(f"{taken} of {there} refused record(s) sent")
    if taken < there:
        click.echo("`fitscribe sync --dead-letters` shows the others")
        raise SystemExit(1)
    return None


def mention(journal: Path, new: int = 0) -> None:
    """Say in one line how many dead letters there are, if any; `new` of them came just now."""
    from fitscribe.shipping.letters import letters

    if count := len(letters(journal)):
        now = f", {new} of them now" if new else ""
        click.echo(f"{count} record(s) were refused by their server{now}: `fitscribe sync --dead-letters` shows them")
