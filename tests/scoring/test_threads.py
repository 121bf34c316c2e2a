"""Several clients at a time, models that take long, and the end of a server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fitscribe.scoring import crew
from fitscribe.scoring.crew import Crew
from fitscribe.scoring.refusals import Refusal


def test_clients_are_answered_at_the_same_time_each_with_its_own(serve):
    together = threading.Barrier(4, timeout=20)

    def predict(data, params):
        together.wait()
        return data

    place = serve(predict, threads=4)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(place.predict, range(64)))
    assert [json.loads(answer.body)["predictions"] for answer in answers] == list(range(64))


def test_with_one_thread_no_two_predictions_meet(serve):
    inside = []

    def predict(data, params):
        inside.append(data)
        time.sleep(0.002)
        met = len(inside)
        inside.remove(data)
        return met

    place = serve(predict, threads=1)
    with ThreadPoolExecutor(8) as pool:
        assert {answer.body for answer in pool.map(place.predict, range(40))} == {b'{"predictions": 1}'}


def test_a_prediction_that_takes_too_long_is_given_up_and_others_go_on(serve):
    go_on = threading.Event()

    def predict(data, params):
        if data == "slow":
            go_on.wait(20)
        return data

    place = serve(predict, seconds=0.3, threads=2)
    answer = place.predict("slow")
    assert answer.status == 504
    assert json.loads(answer.body)["message"] == "no answer within 0.3 seconds (--timeout changes that)"
    assert place.predict("fast").status == 200
    go_on.set()


def test_a_probe_is_answered_while_every_thread_predicts(serve):
    go_on, began = threading.Event(), threading.Semaphore(0)

    def predict(data, params):
        began.release()
        go_on.wait(20)

    place = serve(predict, threads=2)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(place.predict, each) for each in range(2)]
        assert all(began.acquire(timeout=20) for _ in asked)
        assert place.ask("GET", "/ping").status == 200
        go_on.set()


def test_whoever_waits_too_long_is_not_predicted_for_any_more(serve):
    go_on, seen = threading.Event(), []

    def predict(data, params):
        seen.append(data)
        go_on.wait(20)

    place = serve(predict, seconds=0.3, threads=1)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(place.predict, "first")
        while not seen:
            time.sleep(0.01)
        assert place.predict("second").status == 504
        assert first.result().status == 504
    go_on.set()
    time.sleep(0.1)
    assert seen == ["first"]


def test_too_many_who_wait_are_sent_away(monkeypatch):
    monkeypatch.setattr(crew, "WAITING", 2)
    go_on = threading.Event()

    async def ask():
        one = Crew(1)
        asked = [asyncio.ensure_future(one.run(lambda: go_on.wait(20))) for _ in range(2)]
        await asyncio.sleep(0.1)
        asked.append(asyncio.ensure_future(one.run(lambda: go_on.wait(20))))
        await asyncio.sleep(0.1)
        with pytest.raises(Refusal, match="2 requests wait already"):
            await one.run(lambda: None)
        go_on.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [True] * 3


ENDLESS = """
import asyncio, threading, time
from fitscribe.scoring.crew import Crew

async def main():
    try:
        await asyncio.wait_for(Crew().run(lambda: time.sleep(60)), 0.1)
    except TimeoutError:
        print("given up")

asyncio.run(main())
"""


def test_a_prediction_that_does_not_end_keeps_no_process_alive():
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", ENDLESS], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("given up\n", "")
    assert time.monotonic() - began < 30
