"""Tables of runs for the terminal: as many params and metrics as its width takes, the telling ones first."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import zip_longest
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from fitscribe.entities import FileInfo, Run

__all__ = ["artifact_tree", "duration", "number", "pairs_table", "runs_table", "size"]

COLOURS = {"FINISHED": "green", "FAILED": "red", "KILLED": "red", "RUNNING": "yellow", "SCHEDULED": "yellow"}
LONGEST_NAME, LONGEST_VALUE = 32, 20
SHORT_ID = 8
RESULTS = 30  # cells that what came out is worth more than the times
SPACE = 3  # cells that a column costs beyond its content
MOST_ENTRIES = 200


def runs_table(
    runs: Sequence[Run], *, width: int | None = None, title: str | None = None, without: Container[str] = ()
) -> Table:
    """Return runs as a table of at most `width` cells (else the terminal's): who, when, and what came out.

    Of params and metrics those come first that differ between the runs and that most of them have, scores before
    others. `without` names fixed columns (id, status, start, duration) that make room for more of them.
    """
    table = Table(title=title, title_justify="left")
    today = all(datetime.fromtimestamp(run.info.start_time / 1000).date() == date.today() for run in runs)
    fixed: dict[str, list[Text]] = {
        "run": [_name(run) for run in runs],
        "id": [Text(run.info.run_id[:SHORT_ID], style="dim") for run in runs],
        "status": [_status(run.info.status) for run in runs],
        "start": [Text(_moment(run.info.start_time, today)) for run in runs],
        "duration": [Text(duration(run.info.start_time, run.info.end_time)) for run in runs],
    }
    fixed = {heading: cells for heading, cells in fixed.items() if heading not in without}
    room = (width or Console().width) - sum(_cost(*one) for one in fixed.items())
    for heading in ("start", "duration"):
        if room < RESULTS and heading in fixed:
            room += _cost(heading, fixed.pop(heading))
    columns = {**fixed, **_fitting(runs, room)}
    for heading in columns:
        right = heading == "duration" or heading not in fixed
        table.add_column(Text(heading), justify="right" if right else "left", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    return table


def _fitting(runs: Sequence[Run], room: int) -> dict[str, list[Text]]:
    metrics = _ranked(runs, lambda run: run.data.metrics)
    params = _ranked(runs, lambda run: run.data.params)
    chosen: dict[str, list[Text]] = {}
    for pair in zip_longest(metrics, params):
        for key, part in zip(pair, (_metric_cell, _param_cell), strict=True):
            if key is None:
                continue
            heading = f"{key} (param)" if key in chosen else key
            cells = [part(run, key) for run in runs]
            if _cost(heading, cells) <= room:
                chosen[heading] = cells
                room -= _cost(heading, cells)
    return chosen


def _ranked(runs: Sequence[Run], part: Callable[[Run], Mapping[str, object]]) -> list[str]:
    """Return the keys, those first that tell the runs apart, then those that most runs have."""
    count = Counter(key for run in runs for key in part(run))
    values = {key: {str(part(run).get(key)) for run in runs} for key in count}
    rank = {key: 2 if f"mean_{key}" in count else _rank(key) for key in count}  # of a series, its mean says more
    return sorted(count, key=lambda key: (len(values[key]) == 1 and len(runs) > 1, rank[key], -count[key], len(key)))


def _rank(key: str) -> int:
    """Scores and losses are what people look for; times, single splits and counts come last."""
    if key.endswith(("_time", "_")) or key.startswith(("split", "std_", "rank_")):
        return 2
    return 0 if key.endswith(("score", "accuracy", "loss", "acc")) else 1


def _metric_cell(run: Run, key: str) -> Text:
    return Text(number(run.data.metrics[key])) if key in run.data.metrics else Text("")


def _param_cell(run: Run, key: str) -> Text:
    return Text(_short(run.data.params.get(key, ""), LONGEST_VALUE), style="cyan")


def _cost(heading: str, cells: Iterable[Text]) -> int:
    return max([len(heading), *(cell.cell_len for cell in cells)]) + SPACE


def _name(run: Run) -> Text:
    child = "mlflow.parentRunId" in run.data.tags
    name = _short(run.info.run_name or run.info.run_id, LONGEST_NAME)
    return Text(("↳ " if child else "") + name, style="bold")


def _status(status: str) -> Text:
    return Text(status.lower(), style=COLOURS.get(status, ""))


def _moment(milliseconds: int, today: bool = False) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000)
    return "" if milliseconds <= 0 else f"{moment:%H:%M:%S}" if today else f"{moment:%Y-%m-%d %H:%M:%S}"


def duration(start: int, end: int | None) -> str:
    """Return the time between two moments in milliseconds in words; with no end, until now and with an ellipsis."""
    seconds = max(0.0, ((time.time_ns() // 1_000_000 if end is None else end) - start) / 1000)
    minutes, hours, days = seconds / 60, seconds / 3600, seconds / 86400
    if seconds < 10:
        words = f"{seconds:.1f} s"
    elif seconds < 60:
        words = f"{seconds:.0f} s"
    elif minutes < 60:
        words = f"{int(minutes)} min {int(seconds % 60)} s"
    else:
        words = f"{int(hours)} h {int(minutes % 60)} min" if days < 2 else f"{days:.1f} days"
    return words + (" …" if end is None else "")


def number(value: float) -> str:
    """Return a number in at most five digits."""
    return f"{value:.5g}"


def size(count: int) -> str:
    """Return a number of bytes in words, in steps of 1000."""
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def pairs_table(title: str, values: Mapping[str, object]) -> Table:
    """Return names and values below one another; numbers in full, long text on several lines."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name in sorted(values):
        table.add_row(Text(name), Text(str(values[name])))
    return table


def artifact_tree(
    files: Callable[[str], Iterable[FileInfo]], *, title: str = "artifacts", most: int = MOST_ENTRIES
) -> Tree:
    """Return a run's artifacts as a tree with sizes, at most `most` entries.

    `files` lists a path of the run: `lambda path: client.list_artifacts(run_id, path)`.
    """
    tree = Tree(Text(title, style="bold"))
    left = _branch(tree, "", files, most)
    if left <= 0:
        tree.add(Text("… and more", style="dim"))
    elif not tree.children:
        tree.add(Text("none", style="dim"))
    return tree


def _branch(tree: Tree, path: str, files: Callable[[str], Iterable[FileInfo]], left: int) -> int:
    for file in files(path):
        if left <= 0:
            break
        left -= 1
        name = file.path.rpartition("/")[2]
        if file.is_dir:
            left = _branch(tree.add(Text(f"{name}/", style="bold blue")), file.path, files, left)
        else:
            tree.add(Text.assemble(name, ("  " + size(file.file_size or 0), "dim")))
    return left


def _short(value: Any, longest: int) -> str:
    flat = " ".join(str(value).split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
