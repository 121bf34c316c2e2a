"""`python -m integration.bench [scenario ...]`: prints medians and ratios against MLflow, measured in turn.

A real MLflow server runs on loopback (SQLite, one worker), and for the distant case behind a relay of 50 ms.
`--repeat N` (3 unless given) says how often each is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from integration.bench.proxy import Latency
from integration.server import mlflow_server_at

WORK = Path(__file__).with_name("work.py")
# The server runs on the same machine: work that takes every core would measure how the two share them.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MODES = ("none", "mlflow", "fitscribe")
console = Console(width=150)


def measured(scenario: str, mode: str, argument: str, uri: str) -> dict[str, float]:
    """Run one piece of work in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, **ONE_THREAD, "MLFLOW_TRACKING_URI": uri, "DO_NOT_TRACK": "true"}
        done = subprocess.run(
            [sys.executable, WORK, scenario, mode, argument],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not lines:
        raise SystemExit(f"{scenario} {mode} {argument} failed:\n{done.stdout}\n{done.stderr}")
    return dict(json.loads(lines[-1].removeprefix("RESULT ")))


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
        made.add_column(column, justify="left" if column == "what" else "right")
    return made


def imports(uri: str, repeat: int) -> None:
    found = medians("imported", "-", uri, repeat, MODES)
    made = table("import and autolog()", "what", "mlflow ms", "fitscribe ms", "mlflow / fitscribe", "modules")
    ours, theirs = found["fitscribe"], found["mlflow"]
    made.add_row(
        "import X; X.autolog()", f"{theirs['ms']:.0f}", f"{ours['ms']:.1f}", ratio(theirs["ms"], ours["ms"]),
        f"{theirs['modules']:.0f} / {ours['modules']:.0f}",
    )  # fmt: skip
    console.print(made)


def fits(uri: str, repeat: int, title: str) -> None:
    made = table(
        f"LogisticRegression.fit, median of ten, {title}",
        "what", "none ms", "mlflow adds", "fitscribe adds", "mlflow / fitscribe", "ten fits", "mlflow", "fitscribe",
        "fitscribe delivered",
    )  # fmt: skip
    for argument in ("nomodels", "models"):
        found = medians("fits", argument, uri, repeat, MODES)
        none, theirs, ours = (found[mode] for mode in MODES)
        added = [each["ms"] - none["ms"] for each in (theirs, ours)]
        made.add_row(
            {"nomodels": "without the model", "models": "everything on"}[argument],
            f"{none['ms']:.1f}", *(f"{each:.1f} ms" for each in added), ratio(*added),
            *(f"{each['ten fits'] / 1000:.2f} s" for each in (none, theirs, ours)), f"{ours['delivered'] / 1000:.2f} s",
        )  # fmt: skip
    console.print(made)


def searches(uri: str, repeat: int, title: str) -> None:
    made = table(
        f"GridSearchCV, every candidate a child run, {title}",
        "what", "none s", "mlflow s", "fitscribe s", "fitscribe / none", "mlflow / fitscribe", "fitscribe delivered s",
    )  # fmt: skip
    for candidates in ("4", "50", "200"):
        found = medians("search", candidates, uri, repeat, MODES)
        none, theirs, ours = (found[mode]["ms"] / 1000 for mode in MODES)
        made.add_row(
            f"{candidates} candidates", f"{none:.2f}", f"{theirs:.2f}", f"{ours:.2f}", ratio(ours, none),
            ratio(theirs, ours), f"{found['fitscribe']['delivered'] / 1000:.2f}",
        )  # fmt: skip
    console.print(made)


def calls(uri: str, repeat: int, title: str) -> None:
    made = table(
        f"log_metric, {title}", "what", "us per call", "against fitscribe", "calls", "all at the server after s"
    )
    ours = medians("metrics", "async", uri, repeat, ("fitscribe",))["fitscribe"]
    for name, mode, how in (("mlflow, as it is", "mlflow", "sync"), ("mlflow, asynchronous", "mlflow", "async")):
        theirs = medians("metrics", how, uri, 1, (mode,))[mode]
        made.add_row(
            name, f"{theirs['us']:,.0f}", ratio(theirs["us"], ours["us"]), f"{theirs['calls']:,.0f}",
            f"{theirs['delivered'] / 1000:.2f}",
        )  # fmt: skip
    made.add_row("fitscribe", f"{ours['us']:.1f}", "1.0x", f"{ours['calls']:,.0f}", f"{ours['delivered'] / 1000:.2f}")
    console.print(made)


@contextmanager
def endpoints() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder, mlflow_server_at(Path(folder)) as uri:
        port = int(uri.rpartition(":")[2])
        with Latency(port, 0.05) as distant:
            yield {"a server on loopback": uri, "a server 50 ms away": f"http://127.0.0.1:{distant}"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", default=["import", "fit", "search", "metric"])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--near", action="store_true", help="leave out the server that is 50 ms away")
    given = parser.parse_args()
    with endpoints() as places:
        if "import" in given.scenario:
            imports(next(iter(places.values())), given.repeat)
        for place, uri in places.items():
            if given.near and "away" in place:
                continue
            if "fit" in given.scenario:
                fits(uri, given.repeat, place)
            if "search" in given.scenario:
                searches(uri, given.repeat, place)
            if "metric" in given.scenario:
                calls(uri, given.repeat, place)


if __name__ == "__main__":
    main()
