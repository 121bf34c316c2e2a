"""What delivery costs beside MLflow: metric calls, and steps of a millisecond, against servers near, far and gone."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.table import Table

from fitscribe.transport.http import Http
from integration.bench.measuring import TooLong, console, measured, medians, ratio, table
from integration.bench.proxy import Relay
from integration.bench.troubles import in_trouble

__all__ = ["calls", "steps"]

MODES = ("mlflow", "mlflow-async", "fitscribe")
NAMES = {"none": "no logging", "mlflow": "mlflow", "mlflow-async": "mlflow, asynchronous", "fitscribe": "fitscribe"}
SLOWEST = 60.0  # seconds that are given to one call of MLflow's
MLFLOW_STEPS = {"mlflow": (20, 5), "mlflow-async": (1000, 500)}  # near and far; nobody has time for more
MLFLOW_PART = 50  # of so many calls MLflow makes one where each waits for the server


def calls(uri: str, number: int, repeat: int, title: str) -> None:
    """Print what calls of `log_metric` cost, with the requests they became."""
    made = table(
        f"log_metric, {title}",
        "what", "calls", "us per call", "against fitscribe", "p50 us", "p99 us", "max us", "exit s", "requests",
        "KB sent", "at the server",
    )  # fmt: skip
    sizes = {"mlflow": max(1, number // MLFLOW_PART)}
    times = {"fitscribe": repeat}
    found = {mode: _calls(mode, sizes.get(mode, number), uri, times.get(mode, 1)) for mode in MODES}
    for mode, each in found.items():
        made.add_row(
            NAMES[mode], f"{each['calls']:,.0f}", f"{each['us']:,.1f}", ratio(each["us"], found["fitscribe"]["us"]),
            *(f"{each[word]:,.1f}" for word in ("p50", "p99", "max")), f"{each['exit'] / 1000:.2f}",
            f"{each['requests']:,.0f}", f"{each['sent'] / 1000:,.0f}", f"{each['arrived']:,.0f}",
        )  # fmt: skip
    console.print(made)


def _calls(mode: str, number: int, uri: str, repeat: int) -> dict[str, float]:
    results = []
    with Relay(int(uri.rpartition(":")[2])) as relay:
        for _ in range(repeat):
            relay.forget()
            found = measured("delivery", mode, str(number), relay.uri)
            traffic = {"requests": relay.requests, "sent": relay.sent}
            results.append({**found, **traffic, "arrived": _arrived(uri)})
    return {key: statistics.median(each[key] for each in results) for key in results[0]}


def _arrived(uri: str) -> int:
    """Return how many points of `loss` the newest run has at the server."""
    endpoint = Http(uri)
    newest = {"experiment_ids": ["0"], "max_results": 1, "order_by": ["attributes.start_time DESC"]}
    (run,) = endpoint.send("POST", "/api/2.0/mlflow/runs/search", newest).body["runs"]
    asked = {"run_id": run["info"]["run_id"], "metric_key": "loss"}
    answer = endpoint.send("GET", "/api/2.0/mlflow/metrics/get-history", asked)
    endpoint.close()
    return len(answer.body.get("metrics", []))


# steps


def steps(port: int, number: int, repeat: int) -> None:
    """Print how much slower steps of a millisecond become by five metrics each, and what the slowest calls take."""
    counts = {kind: int(measured("calibrated", "none", kind, "")["count"]) for kind in ("python", "numpy")}
    for where in ("0 ms", "50 ms", "500 ms", "refused", "black hole", "embedded, cold", "embedded, warm"):
        made = table(
            f"steps of 1 ms with five metrics, {number:,} of them unless noted; endpoint: {where}",
            "what", "none ms", "step ms", "slower", "logging p50 us", "p99 us", "max us", "start_run ms", "exit s",
        )  # fmt: skip
        for kind, count in counts.items():
            for how in ("batch", "single"):
                with _place(where, port) as uri:
                    _rows(made, where, f"{kind}:{how}", count, number, repeat, uri)
        console.print(made)


@contextmanager
def _place(where: str, port: int) -> Iterator[str]:
    with ExitStack() as stack:
        if where.endswith(" ms"):
            yield stack.enter_context(Relay(port, float(where.removesuffix(" ms")) / 1000)).uri
        elif where.startswith("embedded"):
            yield ""
        else:
            yield stack.enter_context(in_trouble(where)).uri


def _rows(made: Table, where: str, kind: str, count: int, number: int, repeat: int, uri: str) -> None:
    rest = f"{count}:{where.rpartition(' ')[2]}"
    found = medians("steps", f"{kind}:{number}:{rest}", uri, repeat, ("none", "fitscribe"))
    for mode, each in found.items():
        _row(made, f"{kind.replace(':', ', ')}: {NAMES[mode]}", found["none"], each)
    gone = where in ("refused", "black hole")  # MLflow does not get as far as its first step
    for mode, sizes in MLFLOW_STEPS.items():
        if gone and (mode, kind) != ("mlflow", "python:batch"):
            continue
        size = sizes[0 if where == "0 ms" or not uri else 1]
        label = f"{kind.replace(':', ', ')}: {NAMES[mode]} ({size})"
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                store = uri or f"sqlite:///{Path(folder).as_posix()}/mlflow.db"
                theirs = measured("steps", mode, f"{kind}:{size}:{rest}", store, SLOWEST if gone else 900, Path(folder))
            _row(made, label, found["none"], theirs)
        except TooLong as stands:
            made.add_row(label, "", f"> {SLOWEST:.0f} s", "", "", "", "", f"in {stands}", "")


def _row(made: Table, label: str, none: dict[str, float], found: dict[str, float]) -> None:
    slower = "" if found is none else f"{(found['step'] / none['step'] - 1) * 100:+,.1f} %"
    made.add_row(
        label, f"{none['step']:.3f}", f"{found['step']:,.3f}", slower,
        *(f"{found[word]:,.1f}" for word in ("p50", "p99", "max")), f"{found['start_run']:,.1f}",
        f"{found['exit'] / 1000:.2f}",
    )  # fmt: skip
