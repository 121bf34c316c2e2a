"""`search_runs`: where it looks, and its list of runs; frames are compared with MLflow's own in integration/."""

from __future__ import annotations

import sys

import pytest

from fitscribe.config import configure
from fitscribe.entities import Run, RunInfo
from fitscribe.errors import MisuseError
from fitscribe.reading import backlog, frames
from fitscribe.transport import Answer

ABSENT = Answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"})


def runs(*ids: str, token: str = "") -> dict[str, object]:
    return {"runs": [{"info": {"run_id": one}} for one in ids], "next_page_token": token}


def asked(transport) -> list[object]:
    return [body.get("experiment_ids", body) for _, _, body in transport.sent]


def test_the_default_experiment_is_searched(scripted):
    client, transport = scripted(runs("r"))
    assert frames.search_runs(output_format="list", client=client) == [Run(RunInfo("r"))]
    assert asked(transport) == [["0"]]


def test_the_experiment_of_the_settings_is_searched(scripted):
    configure(experiment_name="n")
    client, transport = scripted({"experiment": {"experiment_id": "4"}}, runs("r"))
    assert len(frames.search_runs(output_format="list", client=client)) == 1
    assert asked(transport) == [{"experiment_name": "n"}, ["4"]]


def test_an_experiment_that_is_yet_to_come_has_no_runs(scripted):
    configure(experiment_name="n")
    client, transport = scripted(ABSENT)
    assert frames.search_runs(output_format="list", client=client) == []
    assert len(transport.sent) == 1


def test_the_experiment_that_runs_go_to_now_is_searched(scripted):
    class Behind:
        def flush(self, seconds):
            return True

        def endpoint_id(self, run_id, seconds):
            return run_id

        def address(self):
            return "http://tracking.test", "", "9"

    backlog.connect(Behind())
    client, transport = scripted(runs())
    frames.search_runs(output_format="list", client=client)
    assert asked(transport) == [["9"]]


def test_names_that_do_not_exist_are_said_and_left_out(scripted, caplog):
    client, transport = scripted({"experiment": {"experiment_id": "4"}}, ABSENT, runs("r"))
    found = frames.search_runs(experiment_names=["n", "gone"], output_format="list", client=client)
    assert found == [Run(RunInfo("r"))]
    assert asked(transport)[-1] == ["4"]
    assert [r.getMessage() for r in caplog.records] == ["there is no experiment 'gone'; its runs are not searched"]


def test_all_experiments_are_searched_page_by_page(scripted):
    first = {"experiments": [{"experiment_id": "0"}], "next_page_token": "t"}
    client, transport = scripted(first, {"experiments": [{"experiment_id": "1"}]}, runs("a", "b", token="x"), runs("c"))
    found = frames.search_runs(search_all_experiments=True, output_format="list", max_results=3, client=client)
    assert [run.info.run_id for run in found] == ["a", "b", "c"]
    assert asked(transport)[2:] == [["0", "1"], ["0", "1"]]
    assert [body["max_results"] for _, _, body in transport.sent] == [1000, 1000, 3, 1]


def test_what_cannot_be_is_refused_before_anything_is_sent(scripted):
    client, transport = scripted()
    with pytest.raises(MisuseError, match="experiment_ids or experiment_names, not both"):
        frames.search_runs(["1"], experiment_names=["n"], client=client)
    with pytest.raises(MisuseError, match="not 'polars'"):
        frames.search_runs(["1"], output_format="polars", client=client)
    assert transport.sent == []


def test_without_pandas_the_way_out_is_said(scripted, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    client, transport = scripted(runs("r"))
    with pytest.raises(MisuseError, match=r'pip install pandas, or search_runs\(\.\.\., output_format="list"\)'):
        frames.search_runs(["1"], client=client)
    assert transport.sent == []
    assert len(frames.search_runs(["1"], output_format="list", client=client)) == 1
