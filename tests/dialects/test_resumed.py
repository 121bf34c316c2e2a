"""Runs that go on: of a requeued job, by its key; params that differ by then are drift."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fitscribe.config import canonical_uri
from fitscribe.dialects import Address, AddressBook, Parcel
from fitscribe.dialects.mlflow import MLflow
from fitscribe.dialects.parcels import addressed
from fitscribe.records import Params, RunEnded, RunResumed, RunStarted, Tags
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http
from fitscribe.transport.local import Local

RUN = "a" * 32
THEIRS = "0" * 31 + "1"
Pack = Callable[..., Parcel]


@pytest.fixture
def second(endpoint: Endpoint) -> Iterator[MLflow]:
    """The same endpoint from another process."""
    opened = MLflow(Http(endpoint.uri), endpoint.uri)
    yield opened
    opened.close()


def requeued(endpoint: Endpoint, folder: Path, *records: Any, at: int = 100, **fields: Any) -> Parcel:
    begin = RunStarted(RUN, at, endpoint.uri, resume=True, **fields)
    return Parcel(RUN, endpoint.uri, [begin, *records], AddressBook([addressed(begin)]), [folder])


def test_a_requeued_job_goes_on_with_its_run(
    endpoint: Endpoint, mlflow: MLflow, second: MLflow, tmp_path: Path
) -> None:
    first = requeued(endpoint, tmp_path, Params(RUN, 2, {"lr": "0.1"}), RunEnded(RUN, 50, "KILLED"), at=1, name="job")
    mlflow.write(first)
    assert endpoint.paths()[:2] == ["POST runs/search", "POST runs/create"]
    again = requeued(endpoint, tmp_path, Params(RUN, 101, {"lr": "0.2", "new": "1"}), name="job", tags={"host": "two"})
    second.write(again)
    (run,) = endpoint.ledger.runs.values()
    assert (run.status, run.params) == ("RUNNING", {"lr": "0.1", "new": "1"})
    assert {key: run.tags[key] for key in ("host", "fitscribe.drift.lr")} == {
        "host": "two",
        "fitscribe.drift.lr": "0.2",
    }
    assert again.refused == []
    second.write(Parcel(RUN, endpoint.uri, [RunEnded(RUN, 200, "FINISHED")], again.book, [tmp_path]))
    assert (run.status, run.end_time) == ("FINISHED", 200)


def test_what_an_earlier_process_left_does_not_reopen_a_run_that_ended_since(
    endpoint: Endpoint, mlflow: MLflow, second: MLflow, tmp_path: Path
) -> None:
    mlflow.write(requeued(endpoint, tmp_path, RunEnded(RUN, 500, "FINISHED"), at=1))
    second.write(requeued(endpoint, tmp_path, Tags(RUN, 101, {"late": "1"}), at=100))
    (run,) = endpoint.ledger.runs.values()
    assert (run.status, run.tags["late"]) == ("FINISHED", "1")


def test_many_params_that_drifted_take_few_requests_and_one_message(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook, caplog: pytest.LogCaptureFixture
) -> None:
    params = {f"p{i}": "1" for i in range(90)}
    mlflow.write(parcel(RunStarted(RUN, 1, endpoint.uri), Params(RUN, 2, params)))
    count = len(endpoint.requests)
    resumed = RunResumed("b" * 32, 3, endpoint.uri, THEIRS, drift=True)
    book.add(addressed(resumed))
    sent = parcel(resumed, Params("b" * 32, 4, {**dict.fromkeys(params, "2"), "p0": "1", "new": "1"}))
    with caplog.at_level("INFO"):
        mlflow.write(sent)
        mlflow.write(parcel(Params("b" * 32, 4, {"p1": "2"})))
    run = endpoint.ledger.runs[THEIRS]
    assert run.params == {**params, "new": "1"}
    drift = {key: value for key, value in run.tags.items() if "drift" in key}
    assert drift == {f"fitscribe.drift.p{i}": "2" for i in range(1, 90)}
    assert len(endpoint.requests) - count < 10
    assert sent.refused == []
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    assert len([words for words in caplog.messages if "go on" in words or "goes on" in words]) == 1


def test_a_param_of_a_run_that_was_not_resumed_is_still_refused(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    mlflow.write(parcel(RunStarted(RUN, 1, endpoint.uri), Params(RUN, 2, {"a": "1"})))
    sent = parcel(Params(RUN, 3, {"a": "2"}))
    mlflow.write(sent)
    assert [refusal.record for refusal in sent.refused] == list(sent.records)
    assert "fitscribe.drift.a" not in endpoint.ledger.runs[THEIRS].tags


def test_a_requeued_job_goes_on_in_the_embedded_store(tmp_path: Path) -> None:
    uri = canonical_uri(tmp_path / "store")
    store = MLflow(Local(tmp_path / "store"), uri)

    def told(at: int, *records: Any, **tags: str) -> Parcel:
        begin = RunStarted(RUN, at, uri, "job", resume=True, tags=tags)
        return Parcel(RUN, uri, [begin, *records], AddressBook([addressed(begin)]), [tmp_path])

    store.write(told(1, Params(RUN, 2, {"lr": "0.1"}), RunEnded(RUN, 50, "KILLED")))
    again = told(100, Params(RUN, 101, {"lr": "0.2"}), host="two")
    store.write(again)
    found = store.calls.need("GET", "runs/get", {"run_id": RUN})["run"]
    tags = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
    assert (found["info"]["status"], tags["host"], tags["fitscribe.drift.lr"]) == ("RUNNING", "two", "0.2")
    assert found["data"]["params"] == [{"key": "lr", "value": "0.1"}]
    assert again.refused == []
    store.close()
    assert Address(RUN, uri).resumed is False
