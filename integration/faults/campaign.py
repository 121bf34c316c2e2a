"""A campaign: many trials side by side on one real server, which is killed and started again now and then."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from integration.faults.search import SearchTrial
from integration.faults.trial import Outcome, Trial
from integration.server import Server

__all__ = ["run_campaign", "tried"]

EMBEDDED = 5  # each fifth trial has the embedded store
SEARCH = 20  # and each twentieth is a grid search


def tried(seed: int, uri: str, folder: Path) -> Outcome:
    """Go through one trial; its folder is kept when it failed."""
    place = folder / str(seed)
    kind = SearchTrial if seed % SEARCH == 7 else Trial
    outcome = kind(seed, "" if seed % EMBEDDED == 0 else uri, place).run()
    if not outcome.problems:
        shutil.rmtree(place, ignore_errors=True)
    return outcome


def run_campaign(seeds: Sequence[int], workers: int, restarts: int, console: Console) -> int:
    """Go through the trials, say what came of them, and return how many failed."""
    folder = Path(tempfile.mkdtemp(prefix="fitscribe-faults-"))
    began = time.monotonic()
    outcomes: list[Outcome] = []
    with _served(folder / "server", console) as server, _progress(console) as bar, ThreadPoolExecutor(workers) as pool:
        task = bar.add_task("trials", total=len(seeds), failed=0)
        restarter = _Restarter(server, every=len(seeds) // (restarts + 1) + 1)
        futures = {pool.submit(tried, seed, server.uri, folder): seed for seed in seeds}
        for future in as_completed(futures):
            outcomes.append(_outcome(futures[future], future))
            _say(outcomes[-1], folder, bar.console)
            restarter.count()
            bar.update(task, advance=1, failed=sum(bool(each.problems) for each in outcomes))
        restarter.join()
    console.print(_table(outcomes))
    failed = sorted(each.seed for each in outcomes if each.problems)
    _conclude(outcomes, failed, time.monotonic() - began, console)
    if not failed:
        shutil.rmtree(folder, ignore_errors=True)
    return len(failed)


def _outcome(seed: int, future: Future[Outcome]) -> Outcome:
    """Let a mistake of ours be a failed trial, and no end of the campaign."""
    error = future.exception()
    return Outcome(seed, ["broken trial"], [repr(error)]) if error else future.result()


@contextmanager
def _served(folder: Path, console: Console) -> Iterator[Server]:
    folder.mkdir()
    server = Server(folder)
    with console.status("starting an MLflow server"):
        server.start()
    try:
        yield server
    finally:
        server.stop()


class _Restarter:
    """Kills the server after each `every` trials, and starts it again, while the others go on."""

    def __init__(self, server: Server, every: int) -> None:
        self.server, self.every = server, every
        self.trials = 0
        self.thread: threading.Thread | None = None

    def count(self) -> None:
        self.trials += 1
        if self.trials % self.every == 0:
            self.join()
            self.thread = threading.Thread(target=self._restart)
            self.thread.start()

    def _restart(self) -> None:
        self.server.kill()
        self.server.start()

    def join(self) -> None:
        if self.thread:
            self.thread.join()


def _progress(console: Console) -> Progress:
    words = TextColumn("{task.fields[failed]} failed")
    return Progress(
        TextColumn("trials"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), words, console=console
    )


def _say(outcome: Outcome, folder: Path, console: Console) -> None:
    """Print the seed of every trial, and of one that failed all that is to know."""
    verdict = "[red]failed[/red]" if outcome.problems else "fine"
    kinds = ", ".join(outcome.kinds)
    console.print(f"seed {outcome.seed}: {verdict}, {outcome.lines} lines, {outcome.seconds:.1f} s ({kinds})")
    for problem in outcome.problems[:12]:
        console.print(f"    {problem[:150]}", markup=False, highlight=False)
    if len(outcome.problems) > 12:
        console.print(f"    and {len(outcome.problems) - 12} more")
    if outcome.problems:
        console.print(
            f"    kept in {folder / str(outcome.seed)}; again: python -m integration.faults --only {outcome.seed}"
        )


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table(title="by kind", title_justify="left")
    for column in ("kind", "trials", "failed", "times"):
        table.add_column(column, justify="left" if column == "kind" else "right")
    trials = Counter(kind for each in outcomes for kind in set(each.kinds))
    failed = Counter(kind for each in outcomes if each.problems for kind in set(each.kinds))
    met = sum((Counter({f"fault {fault}": n for fault, n in each.met.items()}) for each in outcomes), Counter())
    times = Counter(kind for each in outcomes for kind in each.kinds if not kind.startswith("fault "))
    for kind in sorted(trials):
        table.add_row(kind, str(trials[kind]), str(failed[kind] or ""), str((times + met)[kind]))
    return table


def _conclude(outcomes: Sequence[Outcome], failed: Sequence[int], seconds: float, console: Console) -> None:
    def total(of: Callable[[Outcome], int]) -> str:
        return f"{sum(map(of, outcomes)):,}"

    console.print(
        f"{len(outcomes)} trials in {seconds:.0f} s: {total(lambda each: each.kills)} kills, "
        f"{total(lambda each: each.met.total())} faults in {total(lambda each: each.requests)} requests, "
        f"{total(lambda each: each.lines)} lines compared; {len(failed)} failed"
    )
    if failed:
        console.print("python -m integration.faults " + " ".join(f"--only {seed}" for seed in failed))
