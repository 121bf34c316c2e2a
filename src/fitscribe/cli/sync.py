"""`fitscribe sync`: send what processes that are gone have left in the journal."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

__all__ = ["command"]


@click.command("sync")
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--to", metavar="URI", default="", help="Send it to this server or folder, not where its runs went.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
def command(directory: Path | None, to: str, dry_run: bool) -> None:
    """Send what is left in DIRECTORY (./.fitscribe unless given), any number of times with the same result.

    Runs whose process died without ending them end as FAILED. Ends with status 1 when something could not be sent.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fitscribe.config import canonical_uri, folder
    from fitscribe.dialects import dialect_for
    from fitscribe.errors import TransportError
    from fitscribe.journal.recovery import deliver, left_behind

    console = Console()
    journal = (directory or folder()) / "journal"
    left = left_behind(journal) if journal.is_dir() else []
    if not left:
        console.print(f"nothing is left to be sent in {journal}", soft_wrap=True)
        return
    uri = canonical_uri(to) if to else ""
    failed = 0
    with Progress(console=console, disable=dry_run) as bar:
        for each in left:
            if dry_run:
                console.print(f"{each.stem}: {each.pending} record(s)", soft_wrap=True)
                continue
            task = bar.add_task(each.stem, total=each.pending or None)
            try:
                deliver(each, dialect_for, to=uri, progress=partial(bar.advance, task))
            except (TransportError, OSError) as error:
                failed += 1
                console.print(f"{each.stem} is not sent: {error}", soft_wrap=True)
    if not dry_run:
        sent = len(left) - failed
        console.print(f"{sent} of {len(left)} journal(s) sent" + ("; the rest is kept" if failed else ""))
    if failed:
        raise SystemExit(1)
