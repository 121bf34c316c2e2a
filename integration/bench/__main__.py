"""`python -m integration.bench [scenario ...]`: prints medians and ratios against MLflow, measured in turn.

A real MLflow server runs on loopback (SQLite, one worker), for the distant case behind a relay of 50 ms; the scenarios
`troubles` and `outage` need none. `--repeat N` (3 unless given) says how often each is measured.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integration.bench.autologging import fits, imports, searches
from integration.bench.delivering import calls, steps
from integration.bench.keras import keras
from integration.bench.lightning import lightning
from integration.bench.live import live
from integration.bench.models import models
from integration.bench.outages import outage, troubles
from integration.bench.proxy import Relay
from integration.bench.torch import torch
from integration.server import mlflow_server_at

AT_A_SERVER = {
    "fit": fits,
    "search": searches,
    "live": live,
    "models": models,
    "keras": keras,
    "lightning": lightning,
    "torch": torch,
}
SCENARIOS = ["import", *AT_A_SERVER, "delivery", "steps", "troubles", "outage"]


@contextmanager
def server() -> Iterator[str]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, mlflow_server_at(Path(folder)) as uri:
        yield uri


def beside_mlflow(wanted: list[str], given: argparse.Namespace) -> None:
    with server() as uri, Relay(port := int(uri.rpartition(":")[2]), 0.05) as distant:
        if "import" in wanted:
            imports(uri, given.repeat)
        places = {"a server on loopback": uri, "a server 50 ms away": distant.uri}
        for place, address in list(places.items())[: 1 if given.near else 2]:
            for scenario, measure in AT_A_SERVER.items():
                if scenario in wanted:
                    measure(address, given.repeat, place)
            if "delivery" in wanted:
                calls(address, given.calls, given.repeat, place)
        if "live" in wanted:
            live("", given.repeat, "the embedded store")
        if "steps" in wanted:
            steps(port, given.steps, given.repeat)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", help=", ".join(SCENARIOS) + "; all of them unless named")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--near", action="store_true", help="leave out the server that is 50 ms away")
    parser.add_argument("--calls", type=int, default=10_000, help="calls of `delivery`")
    parser.add_argument("--steps", type=int, default=5000, help="steps of `steps` and `troubles`")
    parser.add_argument("--points", type=int, default=10_000_000, help="points of `outage`")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the server would be left behind
    wanted = given.scenario or SCENARIOS
    if unknown := set(wanted) - set(SCENARIOS):
        parser.error(f"there is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    if set(wanted) - {"troubles", "outage"}:
        beside_mlflow(wanted, given)
    if "troubles" in wanted:
        troubles(given.steps)
    if "outage" in wanted:
        outage(given.points)


if __name__ == "__main__":
    main()
