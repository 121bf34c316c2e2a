"""Work in the background stands back while the user trains, and never for long."""

from __future__ import annotations

import threading
import time

from fitscribe import afterwards, pace


def stood_back(seconds):
    began = time.monotonic()
    pace.stand_back(began + seconds)
    return time.monotonic() - began


def test_nothing_stands_back_when_nobody_trains():
    time.sleep(pace.QUIET)
    assert stood_back(5.0) < 1.0


def test_it_stands_back_during_a_call_until_its_limit():
    with pace.training():
        assert stood_back(0.2) >= 0.2


def test_it_goes_on_when_the_call_is_over():
    over = threading.Event()

    def train():
        with pace.training():
            over.wait(5)

    thread = threading.Thread(target=train)
    thread.start()
    threading.Timer(0.1, over.set).start()
    assert stood_back(20.0) < 10.0
    thread.join()


def test_it_does_not_stand_back_when_somebody_waits():
    done = []
    with pace.training():
        afterwards.do(lambda: done.append(True))
        began = time.monotonic()
        assert afterwards.drain(10)
        assert time.monotonic() - began < afterwards.PATIENCE
    assert done == [True]


def test_work_asked_for_inside_a_call_begins_behind_it():
    done = []
    with afterwards.held():
        afterwards.do(lambda: done.append("later"))
        time.sleep(0.1)
        assert done == []
    assert afterwards.drain(10)
    assert done == ["later"]
