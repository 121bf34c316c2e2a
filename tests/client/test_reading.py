"""Reads: what is asked, what comes back, and that the backlog is settled before."""

from __future__ import annotations

import pytest

from fitscribe.client import Client, MlflowClient
from fitscribe.config import configure
from fitscribe.entities import Experiment, Metric, Run, RunData, RunInfo, ViewType
from fitscribe.errors import FilterError, MisuseError, NotFoundError
from fitscribe.reading import backlog
from fitscribe.transport import Answer

ABSENT = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "nothing by that name"}
SEARCH = "/api/2.0/mlflow/runs/search"


def run_of(run_id: str, **tags: str) -> dict[str, object]:
    return {"info": {"run_id": run_id}, "data": {"tags": [{"key": k, "value": v} for k, v in tags.items()]}}


def test_a_run(scripted):
    client, transport = scripted({"run": run_of("r1")})
    assert client.get_run("r1") == Run(RunInfo("r1"))
    assert transport.sent == [("GET", "/api/2.0/mlflow/runs/get", {"run_id": "r1"})]


def test_a_run_that_is_not_there_is_named(scripted):
    client, _ = scripted(Answer(404, ABSENT))
    with pytest.raises(NotFoundError, match=r"^run r1: nothing by that name$"):
        client.get_run("r1")


def test_the_parent_of_a_run(scripted):
    tagged = run_of("r2", **{"mlflow.parentRunId": "r1"})
    client, transport = scripted({"run": tagged}, {"run": run_of("r1")}, {"run": run_of("r1")})
    assert client.get_parent_run("r2") == Run(RunInfo("r1"))
    assert client.get_parent_run("r1") is None
    assert [body for _, _, body in transport.sent] == [{"run_id": "r2"}, {"run_id": "r1"}, {"run_id": "r1"}]


def test_a_search_sends_what_was_asked_and_nothing_else(scripted):
    client, transport = scripted({"runs": [run_of("r1")], "next_page_token": "more"}, {})
    page = client.search_runs(["1", 2], "metrics.a > 1", ViewType.ALL, 5, ["metrics.a DESC"], "token")
    assert (page, page.token) == ([Run(RunInfo("r1"))], "more")
    assert client.search_runs("1") == []
    assert transport.sent == [
        (
            "POST",
            SEARCH,
            {
                "experiment_ids": ["1", "2"],
                "filter": "metrics.a > 1",
                "run_view_type": "ALL",
                "max_results": 5,
                "order_by": ["metrics.a DESC"],
                "page_token": "token",
            },
        ),
        ("POST", SEARCH, {"experiment_ids": ["1"], "run_view_type": "ACTIVE_ONLY", "max_results": 1000}),
    ]


def test_a_filter_that_the_endpoint_cannot_read_is_shown_with_its_caret(scripted):
    words = "metrics.a >> 1\n           ^\nexpected a number"
    client, _ = scripted(Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": words}))
    with pytest.raises(FilterError) as raised:
        client.search_runs(["1"], "metrics.a >> 1")
    assert str(raised.value) == words


def test_a_view_that_does_not_exist_is_refused_before_anything_is_sent(scripted):
    client, transport = scripted()
    with pytest.raises(MisuseError, match="9 is no view type"):
        client.search_runs(["1"], run_view_type=9)
    assert transport.sent == []


def test_experiments(scripted):
    one = {"experiment_id": "1", "name": "n"}
    client, transport = scripted(
        {"experiment": one}, {"experiment": one}, Answer(404, ABSENT), {"experiments": [one], "next_page_token": "t"}
    )
    assert client.get_experiment("1") == Experiment("1", "n")
    assert client.get_experiment_by_name("n") == Experiment("1", "n")
    assert client.get_experiment_by_name("other") is None
    page = client.search_experiments("deleted_only", filter_string="name = 'n'")
    assert (page, page.token) == ([Experiment("1", "n")], "t")
    assert transport.sent == [
        ("GET", "/api/2.0/mlflow/experiments/get", {"experiment_id": "1"}),
        ("GET", "/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "n"}),
        ("GET", "/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "other"}),
        (
            "POST",
            "/api/2.0/mlflow/experiments/search",
            {"view_type": "DELETED_ONLY", "max_results": 1000, "filter": "name = 'n'"},
        ),
    ]


def test_the_history_of_a_metric_comes_from_all_pages(scripted):
    points = [{"key": "m", "value": i, "timestamp": i, "step": i} for i in range(3)]
    client, transport = scripted({"metrics": points[:2], "next_page_token": "t"}, {"metrics": points[2:]})
    assert client.get_metric_history("r1", "m") == [Metric("m", float(i), i, i) for i in range(3)]
    query = {"run_id": "r1", "metric_key": "m", "max_results": 25_000}
    assert [body for _, _, body in transport.sent] == [query, {**query, "page_token": "t"}]


def test_a_server_whose_token_never_moves_does_not_turn_for_ever(scripted):
    page = {"metrics": [{"key": "m", "value": 1}], "next_page_token": "stuck"}
    client, transport = scripted(page, page, page)
    assert len(client.get_metric_history("r1", "m")) == 2
    assert len(transport.sent) == 2


class Behind:
    """A backlog that keeps what it was asked."""

    def __init__(self, delivered: bool = True) -> None:
        self.delivered, self.asked = delivered, []

    def flush(self, seconds: float) -> bool:
        self.asked.append(("flush", round(seconds)))
        return self.delivered

    def endpoint_id(self, run_id: str, seconds: float) -> str:
        self.asked.append((run_id, round(seconds)))
        return {"ours": "theirs"}.get(run_id, run_id)

    def address(self) -> tuple[str, str, str]:
        return "http://tracking.test", "", "3"


def test_what_was_recorded_is_delivered_before_it_is_read(scripted):
    behind = Behind()
    backlog.connect(behind)
    client, transport = scripted({"run": run_of("theirs")}, {}, {})
    assert client.get_run("ours") == Run(RunInfo("theirs"))
    client.delete_tag("ours", "k")
    client.search_runs(["3"])
    assert behind.asked == [("flush", 10), ("ours", 10), ("flush", 10), ("ours", 10), ("flush", 10)]
    assert [body.get("run_id") for _, _, body in transport.sent] == ["theirs", "theirs", None]


def test_a_read_that_may_miss_something_says_so(scripted, caplog):
    backlog.connect(Behind(delivered=False))
    client, _ = scripted({})
    assert client.search_runs(["3"]) == []
    said = "http://tracking.test is read before all that was recorded has arrived there"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_the_uri_is_the_one_that_is_set():
    configure(tracking_uri="http://elsewhere:5000/")
    client = MlflowClient()
    assert (client.tracking_uri, client.registry_uri) == ("http://elsewhere:5000", "http://elsewhere:5000")
    assert Client("http://other", "http://registry").registry_uri == "http://registry"


def test_the_latest_values_of_a_run(scripted):
    data = {"metrics": [{"key": "a", "value": 1, "step": 3}], "params": [{"key": "p", "value": "x"}]}
    client, _ = scripted({"run": {"info": {"run_id": "r"}, "data": data}})
    assert client.get_run("r").data == RunData({"a": 1.0}, {"p": "x"}, {})
