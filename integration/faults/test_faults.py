"""Exactly once: real scripts against a real MLflow server, with faults between them; and a dozen trials of `kill -9`.

The long form: `python -m integration.faults --trials 200`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fitscribe.transport.http import Http
from integration.faults.campaign import tried
from integration.faults.plan import planned
from integration.faults.process import script, sync
from integration.faults.proxy import Proxy, Rule
from integration.faults.state import Server as Seen
from integration.faults.state import difference
from integration.server import Server

pytestmark = pytest.mark.server

SEED = 12  # of a script with runs inside runs, artifacts, and a forked process
PATIENT = {"FITSCRIBE_TIMEOUT": "3", "FITSCRIBE_EXIT_TIMEOUT": "60", "FITSCRIBE_EXIT_PATIENCE": "60"}


@pytest.fixture
def proxy(mlflow_server: str) -> Iterator[Proxy]:
    with Proxy(int(mlflow_server.rpartition(":")[2])) as proxy:
        yield proxy


def started(proxy: Proxy, folder: Path, experiment: str):
    environment = {**PATIENT, "FITSCRIBE_TRACKING_URI": proxy.uri, "FITSCRIBE_EXPERIMENT_NAME": experiment}
    return script("first", SEED, folder, environment)


def differences(uri: str, experiment: str) -> list[str]:
    """Compare the server with what a faultless run leaves."""
    plan = planned(SEED, "first")
    return difference(Seen(Http(uri)).state(experiment), [plan.state(len(plan.calls), len(plan.forked))])


@pytest.mark.parametrize(
    "rule",
    [
        Rule("delay", every=10),
        Rule("lose-answer", every=3),
        Rule("lose-request", every=3),
        Rule("reset", every=3),
        Rule("cut", every=3),
        Rule("refused-after", every=3, status=503),
        Rule("refused-after", path="runs/create", times=2, status=500),
        Rule("refused", every=3, status=429, headers={"Retry-After": "1"}),
        Rule("html", every=3),
        Rule("answer-twice"),
        Rule("request-twice"),
        Rule("silence", every=10, seconds=6),
        Rule("closed", every=8, seconds=1),
    ],
    ids=lambda rule: f"{rule.fault} {rule.status}" if "refused" in rule.fault else rule.fault,
)
def test_the_server_has_everything_once(rule: Rule, proxy: Proxy, mlflow_server: str, tmp_path: Path) -> None:
    proxy.rules = [replace(rule)]
    experiment = f"once {tmp_path.name}"
    process = started(proxy, tmp_path, experiment)
    assert process.ended(90)
    assert proxy.met[rule.fault] >= 1
    assert process.problems() == []
    assert differences(mlflow_server, experiment) == []


def test_a_server_that_is_killed_and_starts_again_has_everything_once(
    proxy: Proxy, the_mlflow_server: Server, tmp_path: Path
) -> None:
    experiment = f"restart {tmp_path.name}"
    process = started(proxy, tmp_path, experiment)
    process.until(lambda: proxy.requests >= 8)
    the_mlflow_server.kill()
    again = threading.Thread(target=the_mlflow_server.start)
    again.start()
    assert process.ended(90)
    again.join()
    last = sync("last", tmp_path, PATIENT)
    assert last.ended()
    assert process.problems() + last.problems() == []
    assert differences(the_mlflow_server.uri, experiment) == []


def test_a_dozen_trials_of_kill_9_lose_nothing(mlflow_server: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda seed: tried(seed, mlflow_server, tmp_path), range(1, 13)))
    assert {each.seed: each.problems for each in outcomes if each.problems} == {}
