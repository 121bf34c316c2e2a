"""What an endpoint in trouble costs: calls in each trouble, and the memory of an outage of an hour."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fitscribe.testing.endpoint import Endpoint
from integration.bench.measuring import SOURCES, TooLong, console, measured, table
from integration.bench.memory import resident
from integration.bench.troubles import TROUBLES, in_trouble

__all__ = ["outage", "troubles"]

GOAL = 1000.0  # us: the 99th percentile of a call
ONE_CALL = 60.0  # seconds that MLflow is given for one call
SENDING = 60.0  # seconds that `fitscribe sync` is given


def troubles(number: int) -> None:
    """Print what calls cost on the training thread in each trouble; `number` steps of a millisecond, six calls each."""
    count = int(measured("calibrated", "none", "python", "")["count"])
    made = table(
        f"endpoints in trouble: {number:,} steps of 1 ms with five log_metric, and 20 fits with everything on",
        "what", "log p50 us", "p99 us", "max us", "p99 < 1 ms", "set_experiment ms", "start_run ms", "end_run ms",
        "fit p50 ms", "fit p99 ms", "exit s",
    )  # fmt: skip
    for name in ("no trouble", *TROUBLES):
        with in_trouble(name) as place:
            found = measured("troubles", "fitscribe", f"{number}:{count}", place.uri)
        made.add_row(
            name, *(f"{found[word]:,.1f}" for word in ("p50", "p99", "max")), "yes" if found["p99"] < GOAL else "NO",
            *(f"{found[word]:,.2f}" for word in ("set_experiment", "start_run", "end_run")),
            *(f"{found[word] / 1000:,.2f}" for word in ("fit p50", "fit p99")), f"{found['exit'] / 1000:.2f}",
        )  # fmt: skip
    console.print(made)
    for name in ("refused", "black hole"):
        with in_trouble(name) as place:
            console.print(f"mlflow, {name}: a run with one log_metric {_one_call(place.uri)}")


def _one_call(uri: str) -> str:
    try:
        return f"took {measured('one call', 'mlflow', '-', uri, ONE_CALL)['s']:.1f} s"
    except TooLong as stands:
        return f"was not over in {ONE_CALL:.0f} s; it stood in {stands}"


# an outage of an hour


def outage(points: int) -> None:
    """Print the memory of a process that logs `points` points to an endpoint that refuses, and then send a part."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made, in_trouble("refused") as place:
        folder = Path(made)
        found = measured("outage", "fitscribe", str(points), place.uri, 3600, folder)
        _told(found, points)
        _sent(folder)


def _told(found: dict[str, float], points: int) -> None:
    made = table(f"an outage: {points:,} points, endpoint refused", "points", "us per call", "RSS MB")
    made.add_row("0", "", f"{found['before']:.1f}")
    for tenth in range(10):
        made.add_row(f"{points // 10 * (tenth + 1):,}", f"{found[f'us {tenth}']:.2f}", f"{found[f'rss {tenth}']:.1f}")
    console.print(made)
    console.print(
        f"journal {found['bytes'] / 1e6:,.0f} MB, {found['bytes'] / points:.0f} bytes a point; "
        f"{found['pending']:,.0f} records wait, {found['lost']:,.0f} are lost; exit {found['exit'] / 1000:.1f} s"
    )


def _sent(folder: Path) -> None:
    """Let `fitscribe sync` send what it can in a while, and say how fast that goes."""
    most = 0.0
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    with Endpoint() as endpoint:
        command = [sys.executable, "-m", "fitscribe", "sync", "--to", endpoint.uri]
        began = time.monotonic()
        sync = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
        while sync.poll() is None and time.monotonic() - began < SENDING:
            with contextlib.suppress(OSError):
                most = max(most, resident(sync.pid))
            time.sleep(0.2)
        took = time.monotonic() - began
        sync.kill()
        sync.wait()
        arrived = sum(len(points) for run in endpoint.ledger.runs.values() for points in run.points.values())
    console.print(
        f"fitscribe sync: {arrived:,} points in {took:.1f} s ({arrived / took:,.0f}/s), at most {most:.0f} MB, "
        + ("all of it" if sync.returncode == 0 else "then ended by us")
    )
