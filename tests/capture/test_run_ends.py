"""What is asked of others when a run ends comes before its end."""

from __future__ import annotations

import logging

import pytest

from fitscribe import Integration
from fitscribe.errors import Unavailable
from fitscribe.records import Metrics, RunEnded, RunStarted
from fitscribe.run import Run


def test_what_is_done_at_the_end_is_recorded_before_it(recorder):
    run = Run.start("r")
    run.at_end(lambda: run.later(lambda: run.log_metrics({"last": 1.0})))
    run.at_end(lambda: run.log_metrics({"now": 2.0}))
    run.end()
    run.end()
    assert recorder.status(recorder.run()) == "FINISHED"
    assert [type(record) for record in recorder.said] == [RunStarted, Metrics, Metrics, RunEnded]
    assert recorder.metrics(recorder.run()) == {"now": 2.0, "last": 1.0}


@pytest.mark.swallows
def test_a_piece_that_fails_keeps_no_run_open(recorder, caplog):
    run = Run.start("r")
    run.at_end(lambda: 1 / 0)
    with caplog.at_level(logging.WARNING, "fitscribe"):
        run.end("FAILED")
    assert recorder.status(recorder.run()) == "FAILED"
    assert "work before the end of a run failed" in caplog.text


def test_a_framework_may_come_in_other_distributions():
    Integration("fakeml", requires="fakeml-gpu>=2", also=("fakeml-cpu", "pytest")).framework.version()
    with pytest.raises(Unavailable, match="fakeml-gpu is not installed"):
        Integration("fakeml", requires="fakeml-gpu>=2", also=("fakeml-cpu",)).framework.version()
    with pytest.raises(Unavailable, match="this needs <1"):
        Integration("fakeml", requires="fakeml-gpu<1", also=("pytest",)).framework.version()
