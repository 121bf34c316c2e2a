from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import fitscribe
from fitscribe import overhead
from fitscribe.testing.endpoint import Endpoint


def test_the_status_says_what_was_sent_and_what_it_cost(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    fitscribe.set_tracking_uri(endpoint.uri)
    with fitscribe.start_run(run_name="counted"):
        for step in range(1000):
            fitscribe.log_metric("loss", 1 / (step + 1), step)
    assert fitscribe.flush(10)
    status = fitscribe.delivery_status()
    assert status.pending == status.lost == status.set_aside == status.retries == 0
    assert status.records >= 1003
    assert status.bytes > 30 * 1000
    assert status.trouble == ""
    assert 0 < status.overhead_ms < 60_000
    assert Path(status.journal) == Path.cwd() / ".fitscribe" / "journal"


def test_an_outage_shows_in_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSCRIBE_EXIT_PATIENCE", "0.2")
    fitscribe.set_tracking_uri("http://127.0.0.1:9")
    with fitscribe.start_run():
        fitscribe.log_param("a", 1)
    assert not fitscribe.flush(2)
    status = fitscribe.delivery_status()
    assert status.pending >= 3
    assert status.retries >= 1
    assert "connection refused" in status.trouble


def test_a_run_says_what_it_cost_the_training(endpoint: Endpoint) -> None:
    fitscribe.set_tracking_uri(endpoint.uri)
    with fitscribe.start_run(run_name="outer"):
        fitscribe.log_metric("loss", 1.0)
        with fitscribe.start_run(run_name="inner", nested=True):
            pass
    assert fitscribe.flush(10)
    assert float(endpoint.ledger.named("outer").tags["fitscribe.overhead_ms"]) > 0
    assert "fitscribe.overhead_ms" not in endpoint.ledger.named("inner").tags


def test_what_lies_within_another_counts_once_and_threads_add_up() -> None:
    before = overhead.spent()
    real: list[float] = []

    def work() -> None:
        began = time.perf_counter()
        with overhead.ours(), overhead.ours():
            time.sleep(0.05)
        real.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 100 <= overhead.spent() - before <= sum(real)
