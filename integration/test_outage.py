"""Endpoints in every kind of trouble: a real script trains on, says little, ends soon, and loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from fitscribe.testing.endpoint import Endpoint
from integration.bench.troubles import BACK_AFTER, TROUBLES, Troubled, in_trouble

STEPS = 500
MARGIN = 10.0  # seconds for a busy machine, on top of each limit
SYNC = [sys.executable, "-m", "fitscribe", "sync"]

TRAINING = f"""
import json, sys, time
import fitscribe

began = time.monotonic()
fitscribe.set_experiment("outage")
weight = 0.0
with fitscribe.start_run(run_name="trained") as run:
    fitscribe.log_params({{"rate": 0.1, "steps": {STEPS}}})
    fitscribe.set_tag("team", "weather")
    for step in range({STEPS}):
        loss = (weight - 3) ** 2
        weight -= 0.1 * 2 * (weight - 3)
        fitscribe.log_metric("loss", loss, step=step)
        fitscribe.log_metrics({{"weight": weight, "rest": 3 - weight}}, step=step)
        time.sleep(float(sys.argv[1]) / {STEPS})
    fitscribe.log_text("trained", "notes/end.txt")
    with fitscribe.start_run(run_name="child", nested=True):
        fitscribe.log_metric("score", 1.0)
print(json.dumps({{"weight": weight, "took": time.monotonic() - began, "ended": time.time()}}))
"""

READING = """
import json, time
import requests
import fitscribe
from fitscribe.reading import endpoint  # so that imports on a busy machine are not counted

began = time.monotonic()
try:
    fitscribe.search_runs(search_all_experiments=True, output_format="list")
    said = ["nothing", ""]
except Exception as error:
    said = [type(error).__name__, str(error)]
print(json.dumps({"said": said, "took": time.monotonic() - began}))
"""

MEMORY = """
import json, time
import fitscribe
from integration.bench.memory import resident

fitscribe.start_run()
for step in range(20_000):
    fitscribe.log_metric("warm", 1.0, step=step)
while not fitscribe.delivery_status().trouble:  # what is imported for the first attempt is no growth
    time.sleep(0.1)
before = resident()
for step in range(300_000):
    fitscribe.log_metric("loss", 0.5, step=step)
status = fitscribe.delivery_status()
print(json.dumps({"grown": resident() - before, "pending": status.pending, "lost": status.lost}))
"""


class Ended(NamedTuple):
    """A script that has ended: where it ran, what it printed, its lines on stderr, its status, when it was over."""

    folder: Path

    code: int
    found: dict
    lines: list[str]
    over: float


def ran(script: str, folder: Path, uri: str, *arguments: str, **extra: str) -> Ended:
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
    path = os.pathsep.join((str(Path(__file__).resolve().parent.parent), kept.pop("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=folder, env={**kept, "PYTHONPATH": path, "FITSCRIBE_TRACKING_URI": uri, **extra},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    over = time.time()
    assert done.stdout, done.stderr
    return Ended(folder, done.returncode, json.loads(done.stdout), done.stderr.splitlines(), over)


@pytest.fixture(scope="module")
def places():
    with ExitStack() as stack:
        yield {name: stack.enter_context(in_trouble(name)) for name in TROUBLES if name != "back after a while"}


@pytest.fixture(scope="module")
def trained(places: dict[str, Troubled], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """The training script against each trouble, a few at a time: they mostly wait."""
    root = tmp_path_factory.mktemp("outage")
    with ThreadPoolExecutor(4) as pool:
        ended = pool.map(lambda name: ran(TRAINING, root / name, places[name].uri, "2"), places)
        return dict(zip(places, ended, strict=True))


in_each_trouble = pytest.mark.parametrize("name", [name for name in TROUBLES if name != "back after a while"])


@in_each_trouble
def test_training_goes_on_and_its_result_is_the_same(name: str, trained: dict[str, Ended]) -> None:
    weight = 0.0
    for _ in range(STEPS):
        weight -= 0.1 * 2 * (weight - 3)
    assert trained[name].code == 0, trained[name].lines
    assert trained[name].found["weight"] == weight
    assert trained[name].found["took"] < 2 + MARGIN


@in_each_trouble
def test_the_user_reads_one_warning_and_at_exit_one_line(name: str, trained: dict[str, Ended]) -> None:
    lines = trained[name].lines
    assert len(lines) in (1, 2), lines
    assert all("Your training goes on" in line for line in lines[:-1])
    assert "`fitscribe sync` sends them" in lines[-1]
    assert "Traceback" not in "".join(lines)


@in_each_trouble
def test_the_process_ends_soon(name: str, trained: dict[str, Ended]) -> None:
    assert trained[name].over - trained[name].found["ended"] < 5 + MARGIN


@in_each_trouble
def test_everything_is_sent_afterwards(name: str, trained: dict[str, Ended]) -> None:
    with Endpoint() as sound:
        done = subprocess.run(
            [*SYNC, "--to", sound.uri],
            cwd=trained[name].folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert complete(sound)


def complete(endpoint: Endpoint) -> bool:
    """True when the runs of the script are there with all that they said, once."""
    run, child = endpoint.ledger.named("trained"), endpoint.ledger.named("child")
    assert {key: len(points) for key, points in run.points.items()} == {"loss": STEPS, "weight": STEPS, "rest": STEPS}
    assert run.params == {"rate": "0.1", "steps": str(STEPS)}
    assert run.tags["team"] == "weather"
    assert child.tags["mlflow.parentRunId"] == run.run_id
    assert [run.status, child.status] == ["FINISHED", "FINISHED"]
    assert [name.rpartition("/artifacts/")[2] for name in endpoint.ledger.artifacts] == ["notes/end.txt"]
    return len(endpoint.ledger.runs) == 2


def test_an_endpoint_that_is_back_after_a_while_gets_everything(tmp_path: Path) -> None:
    with in_trouble("back after a while") as place:
        ended = ran(TRAINING, tmp_path, place.uri, str(BACK_AFTER + 2))
        assert ended.code == 0
        assert len(ended.lines) <= 1, ended.lines
        assert complete(place.endpoint)


def test_an_endpoint_that_is_back_while_the_process_ends_gets_everything(tmp_path: Path) -> None:
    with in_trouble("back after a while") as place:
        ended = ran(TRAINING, tmp_path, place.uri, "0.1")
        assert ended.code == 0
        assert complete(place.endpoint)


@pytest.fixture(scope="module")
def read(places: dict[str, Troubled], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    root = tmp_path_factory.mktemp("reading")
    with ThreadPoolExecutor(4) as pool:
        ended = pool.map(lambda name: ran(READING, root / name, places[name].uri), places)
        return dict(zip(places, ended, strict=True))


@in_each_trouble
def test_reading_says_what_is_wrong_and_soon(name: str, places, read: dict[str, Ended]) -> None:
    kind, text = read[name].found["said"]
    if name == "dies in the middle":  # it may be before that
        return
    assert kind in ("TransportError", "Unavailable", "ServerError"), text
    assert places[name].uri in text
    assert read[name].found["took"] < 10 + MARGIN


@pytest.mark.skipif(os.name == "nt", reason="Windows tells no memory of a process without a package for it")
def test_memory_does_not_grow_while_300000_points_wait(tmp_path: Path) -> None:
    with in_trouble("refused") as place:
        ended = ran(MEMORY, tmp_path, place.uri, FITSCRIBE_EXIT_PATIENCE="0.1")
    assert ended.found["lost"] == 0
    assert ended.found["pending"] >= 300_000
    assert ended.found["grown"] < 20
