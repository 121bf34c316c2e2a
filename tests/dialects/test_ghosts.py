"""No ghost runs: what a proxy repeats, or a server commits late, is one run in the end."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fitscribe.dialects import Address, AddressBook, Parcel
from fitscribe.dialects.mlflow import MLflow
from fitscribe.errors import TransportError
from fitscribe.records import Params, Record, RunEnded, RunStarted
from fitscribe.shipping.delivery import Delivery
from fitscribe.testing.endpoint import Endpoint, Request

RUN = "a" * 32
THEIRS = "0" * 31 + "1"
Pack = Callable[..., Parcel]


def started(endpoint: Endpoint, run: str = RUN, **fields: Any) -> RunStarted:
    return RunStarted(**{"run": run, "at": 1, "to": endpoint.uri, **fields})


def doubling(endpoint: Endpoint) -> Callable[[Request], Any]:
    """Do what a proxy does that sends a request again after it was answered."""

    def rule(request: Request) -> Any:
        if request.path.endswith("runs/create"):
            endpoint.ledger.handle(request.method, request.path, request.body)
        return None

    return rule


def deliver(
    endpoint: Endpoint, mlflow: MLflow, folder: Path, *records: Record, book: AddressBook | None = None
) -> None:
    from fitscribe.dialects.parcels import addressed
    from fitscribe.shipping.sorting import sorted_out

    book = book or AddressBook()
    for record in records:
        if isinstance(record, RunStarted):
            book.add(addressed(record))
    delivery = Delivery(lambda uri: mlflow, folder)
    assert delivery.deliver(sorted_out(records, book, [folder], {}), lambda seconds, asked: True)


def alive(endpoint: Endpoint) -> dict[str, str]:
    return {
        run.run_name: run.status for run in endpoint.ledger.runs.values() if run.run_id not in endpoint.ledger.deleted
    }


def test_runs_that_a_proxy_creates_twice_are_there_once(endpoint: Endpoint, mlflow: MLflow, tmp_path: Path) -> None:
    endpoint.rules.append(doubling(endpoint))
    children = [f"{number:032x}" for number in range(5)]
    deliver(
        endpoint, mlflow, tmp_path,
        started(endpoint, name="parent"),
        *(started(endpoint, child, parent=RUN, name=f"child {child[-1]}") for child in children),
        *(Params(child, 2, {"a": "1"}) for child in children),
        *(RunEnded(child, 3, "FINISHED") for child in children),
        RunEnded(RUN, 4, "FINISHED"),
    )  # fmt: skip
    assert len(endpoint.ledger.runs) == 12
    assert alive(endpoint) == {"parent": "FINISHED", **{f"child {number}": "FINISHED" for number in range(5)}}
    assert endpoint.paths().count("POST runs/search") == 2


def test_a_creation_that_is_committed_after_we_looked_leaves_no_ghost(
    endpoint: Endpoint, mlflow: MLflow, tmp_path: Path
) -> None:
    late: list[Request] = []

    def rule(request: Request) -> Any:
        if request.path.endswith("runs/create") and not late:
            late.append(request)
            return 503, b"gateway timeout"
        if request.path.endswith("runs/update"):
            endpoint.ledger.handle(late[0].method, late[0].path, late[0].body)
        return None

    endpoint.rules.append(rule)
    deliver(endpoint, mlflow, tmp_path, started(endpoint, name="fit"), RunEnded(RUN, 4, "FINISHED"))
    assert len(endpoint.ledger.runs) == 2
    assert alive(endpoint) == {"fit": "FINISHED"}


def test_a_double_that_somebody_writes_to_is_left_alone(endpoint: Endpoint, mlflow: MLflow, tmp_path: Path) -> None:
    endpoint.rules.append(doubling(endpoint))
    book = AddressBook()
    deliver(endpoint, mlflow, tmp_path, started(endpoint, name="fit"), book=book)
    (ghost,) = [run for run in endpoint.ledger.runs.values() if run.run_id != book.theirs(RUN)]
    ghost.params["a"] = "1"
    deliver(endpoint, mlflow, tmp_path, RunEnded(RUN, 4, "FINISHED"), book=book)
    assert endpoint.ledger.deleted == set()


def test_more_children_than_a_page_of_a_search_are_looked_through(
    endpoint: Endpoint, mlflow: MLflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fitscribe.dialects import ghosts

    monkeypatch.setattr(ghosts, "PAGE", 3)
    endpoint.rules.append(doubling(endpoint))
    children = [f"{number:032x}" for number in range(7)]
    deliver(
        endpoint, mlflow, tmp_path,
        started(endpoint, name="parent"),
        *(started(endpoint, child, parent=RUN, name=f"child {child[-1]}") for child in children),
        RunEnded(RUN, 4, "FINISHED"),
    )  # fmt: skip
    assert len(alive(endpoint)) == 8


@pytest.mark.parametrize(
    "answer", [(400, {"error_code": "INVALID_PARAMETER_VALUE"}), (501, {}), (404, {"error_code": "X"})]
)
def test_a_server_without_search_by_tags_is_asked_once(
    endpoint: Endpoint, mlflow: MLflow, tmp_path: Path, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.rules.append(lambda request: answer if request.path.endswith("runs/search") else None)
    other = "b" * 32
    deliver(endpoint, mlflow, tmp_path, started(endpoint, name="fit"), RunEnded(RUN, 4, "FINISHED"))
    deliver(endpoint, mlflow, tmp_path, started(endpoint, other, name="more"), RunEnded(other, 4, "FINISHED"))
    assert alive(endpoint) == {"fit": "FINISHED", "more": "FINISHED"}
    assert endpoint.paths().count("POST runs/search") == 1
    assert caplog.messages == []


def test_an_answer_to_somebody_elses_request_is_not_taken_for_ours(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook
) -> None:
    theirs = {"info": {"run_id": "f" * 32}, "data": {"tags": [{"key": "fitscribe.run_key", "value": "c" * 32}]}}
    endpoint.trouble("after", "runs/create", status=200, body={"run": theirs})
    sent = parcel(started(endpoint))
    with pytest.raises(TransportError, match="another run"):
        mlflow.write(sent)
    mlflow.write(sent)
    assert (list(endpoint.ledger.runs), book.theirs(RUN)) == ([THEIRS], THEIRS)


def test_an_answer_without_our_key_is_looked_into(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook
) -> None:
    theirs = {"info": {"run_id": "f" * 32}, "data": {"tags": [{"key": "mlflow.user", "value": "somebody"}]}}
    endpoint.trouble("after", "runs/create", status=200, body={"run": theirs})
    mlflow.write(parcel(started(endpoint)))
    assert book.theirs(RUN) == THEIRS


def test_a_child_that_outlives_its_parent_is_looked_over_itself(
    endpoint: Endpoint, mlflow: MLflow, tmp_path: Path
) -> None:
    endpoint.rules.append(doubling(endpoint))
    child, book = "b" * 32, AddressBook()
    deliver(endpoint, mlflow, tmp_path, started(endpoint, name="parent"), RunEnded(RUN, 2, "FINISHED"), book=book)
    book.get(RUN).ended = True  # type: ignore[union-attr]
    deliver(
        endpoint,
        mlflow,
        tmp_path,
        started(endpoint, child, parent=RUN, name="late"),
        RunEnded(child, 4, "FAILED"),
        book=book,
    )
    assert alive(endpoint) == {"parent": "FINISHED", "late": "FAILED"}
    assert Address(RUN, "").parent == ""
