"""Requests on which the endpoint breaks down (500): one of them is set aside, an outage loses nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fitscribe.dialects import Address, AddressBook, Parcel, trials
from fitscribe.dialects.mlflow import MLflow
from fitscribe.errors import TransportError
from fitscribe.records import Artifact, Metrics, Params, Record, RunEnded, RunStarted
from fitscribe.shipping.delivery import Delivery
from fitscribe.testing.endpoint import Endpoint, Request

RUN, OTHER = "a" * 32, "b" * 32
THEIRS = "0" * 31 + "1"
BROKEN = 500, b"Internal Server Error"
Pack = Callable[..., Parcel]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "SECONDS", 0.0)


def breaks_on(word: str) -> Callable[[Request], Any]:
    return lambda request: BROKEN if f"'{word}'" in str(request.body) or word in request.path else None


def written(mlflow: MLflow, parcel: Parcel, most: int = 20) -> int:
    """Write until it is done, as delivery does; return how often the endpoint broke down."""
    for times in range(most):
        try:
            mlflow.write(parcel)
        except TransportError:
            continue
        return times
    raise AssertionError(f"it is not done after {most} times")


def started(endpoint: Endpoint, run: str = RUN, **fields: Any) -> RunStarted:
    return RunStarted(**{"run": run, "at": 1, "to": endpoint.uri, **fields})


def test_one_param_that_breaks_the_server_down_is_set_aside_and_all_else_arrives(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.rules.append(breaks_on("p13"))
    params = {f"p{i}": "1" for i in range(100)}
    sent = parcel(
        started(endpoint), Params(RUN, 2, params), Metrics(RUN, 3, 0, {"m": 1.0}), RunEnded(RUN, 4, "FINISHED")
    )
    assert written(mlflow, sent) == 5
    run = endpoint.ledger.runs[THEIRS]
    assert run.params == {key: "1" for key in params if key != "p13"}
    assert (run.points, run.status) == ({"m": [(1.0, 3, 0)]}, "FINISHED")
    assert [refusal.record for refusal in sent.refused] == [Params(RUN, 2, {"p13": "1"})]
    assert "Internal Server Error" in sent.refused[0].why
    assert "fitscribe.check" not in run.tags


def test_nothing_is_set_aside_by_a_server_that_breaks_down_on_every_write(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, tmp_path: Path
) -> None:
    (tmp_path / "s1").write_bytes(b"x")
    mlflow.write(parcel(started(endpoint)))
    endpoint.rules.append(lambda request: BROKEN if request.method in ("POST", "PUT") else None)
    sent = parcel(Params(RUN, 2, {"a": "1"}), Artifact(RUN, 3, "file", "s1"), RunEnded(RUN, 4, "FINISHED"))
    with pytest.raises(AssertionError, match=r"not done after 30"):
        written(mlflow, sent, 30)
    assert sent.refused == []
    endpoint.rules.clear()
    endpoint.rules.append(lambda request: BROKEN if request.method == "PUT" else None)
    with pytest.raises(AssertionError, match=r"not done after 30"):
        written(mlflow, sent, 30)
    endpoint.rules.clear()
    mlflow.write(sent)
    run = endpoint.ledger.runs[THEIRS]
    assert (run.params, run.status, sent.refused) == ({"a": "1"}, "FINISHED", [])
    assert [path.rpartition("/")[2] for path in endpoint.ledger.artifacts] == ["file"]


def test_a_server_that_breaks_down_for_a_short_time_is_waited_for(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "SECONDS", 20.0)
    endpoint.trouble("answer", "log-batch", status=500, times=12)
    sent = parcel(started(endpoint), Params(RUN, 2, {"a": "1"}))
    assert written(mlflow, sent) == 12
    assert (endpoint.ledger.runs[THEIRS].params, sent.refused) == ({"a": "1"}, [])


def test_a_run_whose_tags_break_the_server_down_is_created_without_them(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.rules.append(breaks_on("cursed"))
    sent = parcel(started(endpoint, name="fit", tags={"good": "1", "cursed": "2"}), Params(RUN, 2, {"a": "1"}))
    assert written(mlflow, sent) <= 10
    (run,) = endpoint.ledger.runs.values()
    assert run.tags == {"fitscribe.run_key": RUN, "mlflow.runName": "fit", "good": "1"}
    assert (run.params, [list(refusal.record.values) for refusal in sent.refused]) == ({"a": "1"}, [["cursed"]])  # type: ignore[union-attr]


def test_a_creation_that_always_breaks_down_waits(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    endpoint.rules.append(breaks_on("runs/create"))
    sent = parcel(started(endpoint, name="fit"))
    with pytest.raises(AssertionError, match=r"not done after 40"):
        written(mlflow, sent, 40)
    assert sent.refused == []
    endpoint.rules.clear()
    mlflow.write(sent)
    assert [run.tags["mlflow.runName"] for run in endpoint.ledger.runs.values()] == ["fit"]


def test_an_upload_that_breaks_the_server_down_is_given_up_alone(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, tmp_path: Path
) -> None:
    (tmp_path / "s1").write_bytes(b"x")
    endpoint.rules.append(breaks_on("artifacts/bad"))
    files = [Artifact(RUN, 2, "bad", "s1"), Artifact(RUN, 3, "good", "s1")]
    sent = parcel(started(endpoint), *files, RunEnded(RUN, 4, "FINISHED"))
    assert written(mlflow, sent) == 5
    assert [refusal.record for refusal in sent.refused] == files[:1]
    assert [path.rpartition("/")[2] for path in endpoint.ledger.artifacts] == ["good"]
    assert endpoint.ledger.runs[THEIRS].status == "FINISHED"


def test_a_status_that_breaks_the_server_down_is_set_aside(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    endpoint.rules.append(breaks_on("runs/update"))
    sent = parcel(started(endpoint), RunEnded(RUN, 4, "FINISHED"))
    assert written(mlflow, sent) == 5
    assert [refusal.record for refusal in sent.refused] == [RunEnded(RUN, 4, "FINISHED")]


@pytest.fixture
def delivery(endpoint: Endpoint, mlflow: MLflow, tmp_path: Path) -> Iterator[Delivery]:
    opened = Delivery(lambda uri: mlflow, tmp_path)
    yield opened
    opened.close()


def runs_of(endpoint: Endpoint, tmp_path: Path, count: int) -> list[Parcel]:
    book = AddressBook([Address(f"{number:032x}", endpoint.uri) for number in range(count)])
    said: list[list[Record]] = [
        [
            started(endpoint, address.run),
            Params(address.run, 2, {f"p{number}": "1"}),
            RunEnded(address.run, 3, "FAILED"),
        ]
        for number, address in enumerate(book.all())
    ]
    return [Parcel(each[0].run, endpoint.uri, each, book, [tmp_path]) for each in said]  # type: ignore[union-attr]


def test_runs_beside_those_that_break_the_server_down_are_not_held_up(
    endpoint: Endpoint, delivery: Delivery, tmp_path: Path
) -> None:
    for number in range(12):
        endpoint.rules.append(breaks_on(f"p{number}"))
    parcels = runs_of(endpoint, tmp_path, 40)
    rounds = []

    def pause(seconds: float, asked: bool) -> bool:
        rounds.append(sum(run.status == "FAILED" for run in endpoint.ledger.runs.values()))
        return len(rounds) < 60

    assert delivery.deliver(parcels, pause)
    assert max(rounds[:6]) >= 28, "all others arrived in the first rounds"
    assert [run.status for run in endpoint.ledger.runs.values()] == ["FAILED"] * 40
    assert delivery.set_aside == 12


def test_a_server_that_breaks_down_on_everything_is_not_asked_for_each_run(
    endpoint: Endpoint, delivery: Delivery, tmp_path: Path
) -> None:
    endpoint.rules.append(lambda request: BROKEN)
    assert not delivery.deliver(runs_of(endpoint, tmp_path, 200), lambda seconds, asked: False)
    assert len(endpoint.requests) < 20
    assert delivery.set_aside == 0
