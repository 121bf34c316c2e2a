"""One piece of work in a process and a folder of its own, measured; and the tables that tell of it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["MODES", "SOURCES", "TooLong", "console", "measured", "medians", "ratio", "table"]

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
# The server runs on the same machine: work that takes every core would measure how the two share them.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MODES = ("none", "mlflow", "fitscribe")
console = Console(width=150)


class TooLong(Exception):
    """The work did not end in time; the text names the call that it stood in."""


def measured(
    scenario: str, mode: str, argument: str, uri: str, limit: float = 900, folder: Path | None = None
) -> dict[str, float]:
    """Run one piece of work and return what it found, and as `exit` how many ms it took to go after that.

    An empty `uri` leaves the choice to the tracker. `TooLong`: it took more than `limit` seconds.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
            return measured(scenario, mode, argument, uri, limit, Path(made))
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
    environment = {**kept, **ONE_THREAD, "PYTHONPATH": SOURCES, "MLFLOW_DISABLE_TELEMETRY": "true"}
    if uri:
        environment["MLFLOW_TRACKING_URI"] = uri
    try:
        done = subprocess.run(
            [sys.executable, "-m", "integration.bench.work", scenario, mode, argument],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise TooLong(_last(late.stdout, "AT ") or "the imports") from None
    gone = time.time()
    found = _last(done.stdout, "RESULT ")
    if not found:
        raise SystemExit(f"{scenario} {mode} {argument} failed:\n{done.stdout}\n{done.stderr}")
    result = dict(json.loads(found))
    return {**result, "exit": (gone - result["ended"]) * 1000}


def _last(output: str | bytes | None, word: str) -> str:
    text = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
    return next((line.removeprefix(word) for line in reversed(text.splitlines()) if line.startswith(word)), "")


def medians(scenario: str, argument: str, uri: str, repeat: int, modes: tuple[str, ...]) -> dict[str, Any]:
    """Measure the modes in turn, so that ratios hold when the machine's speed drifts."""
    found: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
    for _ in range(repeat):
        for mode in modes:
            found[mode].append(measured(scenario, mode, argument, uri))
    return {
        mode: {key: statistics.median(each[key] for each in results) for key in results[0]}
        for mode, results in found.items()
    }


def ratio(over: float, under: float) -> str:
    return f"{over / under:,.1f}x" if under > 0 else "-"


def table(title: str, *columns: str) -> Table:
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, justify="left" if column in ("what", "where") else "right")
    return made
