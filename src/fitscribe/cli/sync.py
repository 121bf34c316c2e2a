"""`fitscribe sync`: send what processes have left in the journal, and say what could not be sent."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress

    from fitscribe.dialects import Dialect
    from fitscribe.journal.remains import Left
    from fitscribe.shipping.recovery import Outcome, Unsent

__all__ = ["command"]


@click.command("sync")
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@click.option("--to", metavar="URI", default="", help="Send it to this server or folder, not where its runs went.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--dead-letters", is_flag=True, help="Show what servers refused, in their own words; send nothing.")
@click.option("--again", is_flag=True, help="Send what was refused once more, after the server was mended.")
def command(directory: Path | None, to: str, dry_run: bool, dead_letters: bool, again: bool) -> None:
    """Send what is left in DIRECTORY (./.fitscribe unless given), any number of times with the same result.

    Runs whose process died without ending them end as FAILED. What a living process has not delivered yet is its own
    business, unless --to says where a copy of it is to go. Ends with status 1 when something could not be sent.
    """
    from fitscribe.cli import letters, notices
    from fitscribe.journal.remains import journals

    journal = _journal(directory)
    if dead_letters or again:
        return letters.show(journal) if dead_letters else letters.again(journal, _dialects(to))
    found = journals(journal)
    told = dry_run or notices.tell(journal.parent)
    if not found:
        _say(f"nothing is left to be sent in {journal}")
        letters.mention(journal)
    elif dry_run:
        for each in found:
            _say(f"{each.stem}: {_state(each, bool(to))}")
        letters.mention(journal)
    else:
        _Sync(journal, to).run(found)
    if not told:
        raise SystemExit(1)
    return None


def _journal(directory: Path | None) -> Path:
    """Return the journal's folder that a user means. `ClickException`: there is none."""
    from fitscribe.config import folder
    from fitscribe.journal.remains import journals

    if directory is None:
        return folder() / "journal"
    here = directory.expanduser().absolute()
    candidates = [here / "journal", here / ".fitscribe" / "journal", *([here] if here.name == "journal" else [])]
    journal = next((each for each in candidates if each.is_dir()), candidates[0])
    if not here.is_dir() and not journals(journal):
        raise click.ClickException(f"there is no folder {here}")
    return journal


def _dialects(to: str) -> Callable[[str], Dialect]:
    """Return how to find dialects; records name endpoints without the credentials that a URI may hold."""
    from fitscribe.config import canonical_uri, settings, without_credentials
    from fitscribe.dialects import dialect_for

    full = [canonical_uri(uri) for uri in (settings().tracking_uri, to) if uri]
    secret = {without_credentials(uri): uri for uri in full}
    return lambda uri: dialect_for(secret.get(uri, uri))


def _state(left: Left, everything: bool) -> str:
    """Say how much of a journal there is to send."""
    try:
        pending = left.pending
    except (OSError, ValueError) as error:
        return f"cannot be read: {error}"
    if left.at_work:
        return f"at work, {pending} record(s) wait" + ("; a copy of all it has would be sent" if everything else "")
    return f"{pending} record(s)"


def _say(words: str) -> None:
    click.echo(words)


class _Sync:
    """One sync of all journals of a folder."""

    def __init__(self, journal: Path, to: str) -> None:
        from fitscribe.config import canonical_uri, without_credentials
        from fitscribe.shipping.courier import Courier

        self.journal, self.to = journal, without_credentials(canonical_uri(to)) if to else ""
        self.dialects = _dialects(to)
        self.courier = Courier(self.dialects, journal)
        self.outcomes: dict[str, list[Outcome]] = {}
        self.began = time.monotonic()

    def run(self, found: list[Left]) -> None:
        """Send; print what became of it. `SystemExit`: something could not be sent."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        from fitscribe.cli import letters
        from fitscribe.shipping.recovery import in_rounds

        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        before = self._letters()
        taken = [each for each in found if self.to or not each.at_work]
        try:
            with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
                in_rounds(taken, lambda left: self._send(left, bar))
        except KeyboardInterrupt:
            _say(f"interrupted: {self._sum()}; the rest is kept, and the same command goes on")
            raise SystemExit(130) from None
        for each in found:
            if each not in taken:
                _say(f"{each.stem}: {_state(each, False)}; it sends them itself, or `--to URI` sends a copy")
        refused = self._letters() - before
        whole = self._conclude(len(taken))
        letters.mention(self.journal, refused)
        if not whole or refused:
            raise SystemExit(1)

    def _send(self, left: Left, bar: Progress) -> Outcome:
        from fitscribe.shipping.recovery import Outcome, Unsent

        task = bar.add_task(left.stem, total=self._total(left))
        try:
            outcome = self._delivered(left, lambda count: bar.advance(task, count))
        except OSError as error:
            outcome = Outcome(unsent=[Unsent(left.stem, 0, error.strerror or str(error))])
        self.outcomes.setdefault(left.stem, []).append(outcome)
        return outcome

    def _delivered(self, left: Left, progress: Callable[[int], None]) -> Outcome:
        """Deliver a journal, or a copy of one that is being written, or may not be changed."""
        from fitscribe.journal.copies import copied
        from fitscribe.shipping.courier import Courier
        from fitscribe.shipping.recovery import deliver

        if not left.at_work and (not self.to or os.access(left.home, os.W_OK)):
            return deliver(left, self.courier, to=self.to, progress=progress)
        with copied(left) as copy:
            courier = Courier(self.dialects, copy.home)
            outcome = deliver(copy, courier, to=self.to, ends=not left.at_work, progress=progress)
            outcome.unsent = [*outcome.unsent, *_refused(copy.home)]
            self.courier.join(courier)
            return outcome

    def _total(self, left: Left) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return left.pending
        return None

    def _letters(self) -> int:
        from fitscribe.shipping.letters import letters

        return len(letters(self.journal))

    def _conclude(self, count: int) -> bool:
        """Print what could not be sent, and one line of figures; True when everything was sent."""
        unsent = {stem: said[-1].unsent for stem, said in self.outcomes.items() if said[-1].unsent}
        if unsent:
            _table(unsent)
        failed = f"; the rest is kept in {self.journal}" if unsent else ""
        _say(f"{count - len(unsent)} of {count} journal(s) sent: {self._sum()}{failed}")
        return not unsent

    def _sum(self) -> str:
        from fitscribe.cli.tables import size

        outcomes = [each for said in self.outcomes.values() for each in said]
        runs = len(set().union(*(each.runs for each in outcomes)))
        requests, sent, _ = self.courier.traffic()
        road = f"{size(sent)} in {requests} request(s)" if requests else size(sum(each.bytes for each in outcomes))
        records = sum(each.records for each in outcomes)
        seconds = time.monotonic() - self.began
        return f"{runs} run(s), {records} record(s), {road}, {seconds:.1f} s, {self.courier.retries} retries"


def _refused(folder: Path) -> list[Unsent]:
    """Return what was refused of a copy, which is not kept: the journal itself has it."""
    from fitscribe.shipping.letters import letters
    from fitscribe.shipping.recovery import Unsent

    return [Unsent(each.run, 1, each.why) for each in letters(folder).values()]


def _table(unsent: dict[str, list[Unsent]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="not sent", title_justify="left")
    for heading in ("run", "records", "why"):
        table.add_column(heading, justify="right" if heading == "records" else "left", overflow="fold")
    for each in (one for said in unsent.values() for one in said):
        table.add_row(Text(each.run), str(each.records or ""), Text(each.why))
    Console().print(table)
