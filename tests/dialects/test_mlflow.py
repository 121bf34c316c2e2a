import math
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fitscribe import charts
from fitscribe.dialects import Address, AddressBook, Parcel, Refusal
from fitscribe.dialects.mlflow import MLflow
from fitscribe.errors import TransportError
from fitscribe.records import (
    Artifact,
    DatasetUsed,
    Drawing,
    ExperimentNamed,
    Lines,
    Metrics,
    ModelLogged,
    Params,
    RunEnded,
    RunResumed,
    RunStarted,
    Tags,
)
from fitscribe.testing.endpoint import Endpoint
from fitscribe.testing.ledger import LedgerRun

RUN, CHILD = "a" * 32, "b" * 32
THEIRS = "0" * 31 + "1"
Pack = Callable[..., Parcel]


def started(endpoint: Endpoint, **fields: object) -> RunStarted:
    return RunStarted(**{"run": RUN, "at": 1000, "to": endpoint.uri, **fields})  # type: ignore[arg-type]


def test_a_short_run_takes_three_requests(endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook) -> None:
    mlflow.write(
        parcel(
            started(endpoint, name="fit", tags={"mlflow.user": "ada"}),
            Params(RUN, 1001, {"lr": "0.1"}),
            Metrics(RUN, 1002, 3, {"loss": 0.5, "odd": math.nan, "up": math.inf, "down": -math.inf}),
            Tags(RUN, 1003, {"stage": "one"}),
            Tags(RUN, 1004, {"stage": "two"}),
            RunEnded(RUN, 1005, "FINISHED"),
        )
    )
    assert endpoint.paths() == ["POST runs/create", "POST runs/log-batch", "POST runs/update"]
    assert endpoint.requests[0].body["user_id"] == "ada"
    run = endpoint.ledger.runs[THEIRS]
    run.seen.clear()
    assert run == LedgerRun(
        run_id=THEIRS,
        experiment_id="0",
        run_name="fit",
        status="FINISHED",
        start_time=1000,
        end_time=1005,
        params={"lr": "0.1"},
        tags={"mlflow.user": "ada", "stage": "two", "fitscribe.run_key": RUN, "mlflow.runName": "fit"},
        points={
            "loss": [(0.5, 1002, 3)],
            "odd": [("NaN", 1002, 3)],
            "up": [("Infinity", 1002, 3)],
            "down": [("-Infinity", 1002, 3)],
        },
    )
    assert book.theirs(RUN) == THEIRS


def test_an_experiment_is_created_once_and_then_known(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    mlflow.write(parcel(ExperimentNamed(1, endpoint.uri, "new"), run=""))
    mlflow.write(parcel(started(endpoint, experiment="new")))
    assert endpoint.paths() == ["GET experiments/get-by-name", "POST experiments/create", "POST runs/create"]
    assert endpoint.ledger.runs[THEIRS].experiment_id == "1"


def test_an_experiment_that_another_process_creates_first_is_shared(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.trouble("answer", "get-by-name", status=404, body={"error_code": "RESOURCE_DOES_NOT_EXIST"})
    endpoint.ledger.experiments["7"] = "shared"
    mlflow.write(parcel(started(endpoint, experiment="shared")))
    assert endpoint.ledger.runs[THEIRS].experiment_id == "7"


def test_a_deleted_experiment_takes_nothing_and_says_why(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook
) -> None:
    endpoint.ledger.experiments["1"] = "old"
    endpoint.ledger.deleted.add("1")
    sent = parcel(started(endpoint, experiment="old"), Params(RUN, 1, {"a": "1"}))
    mlflow.write(sent)
    why = "INVALID_STATE 400: the experiment 'old' is deleted; restore it or use another"
    assert sent.refused == [Refusal(record, why) for record in sent.records]
    late = parcel(Params(RUN, 2, {"b": "1"}))
    mlflow.write(late)
    assert late.refused == [Refusal(Params(RUN, 2, {"b": "1"}), why)]
    assert endpoint.paths() == ["GET experiments/get-by-name"]


@pytest.mark.parametrize("trouble", ["after", "drop-after"])
def test_a_run_whose_creation_was_answered_badly_exists_once(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook, trouble: str
) -> None:
    endpoint.trouble(trouble, "runs/create")
    sent = parcel(started(endpoint))
    with pytest.raises(TransportError):
        mlflow.write(sent)
    mlflow.write(sent)
    assert endpoint.paths() == ["POST runs/create", "POST runs/search"]
    assert (list(endpoint.ledger.runs), book.theirs(RUN)) == ([THEIRS], THEIRS)


def test_a_run_whose_creation_surely_failed_is_created_the_next_time(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    endpoint.trouble("answer", "runs/create", status=503)
    sent = parcel(started(endpoint))
    with pytest.raises(TransportError, match=r"answered 503"):
        mlflow.write(sent)
    mlflow.write(sent)
    assert endpoint.paths() == ["POST runs/create", "POST runs/search", "POST runs/create"]


def test_after_a_failure_only_what_is_left_is_sent(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    endpoint.trouble("answer", "runs/update", status=429, headers={"Retry-After": "7"})
    sent = parcel(started(endpoint), Params(RUN, 1, {"a": "1"}), RunEnded(RUN, 5, "FAILED"))
    with pytest.raises(TransportError) as raised:
        mlflow.write(sent)
    assert raised.value.wait == 7
    mlflow.write(sent)
    assert endpoint.paths() == ["POST runs/create", "POST runs/log-batch", "POST runs/update", "POST runs/update"]


def test_a_child_names_its_parent_in_the_servers_words(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook
) -> None:
    mlflow.write(parcel(started(endpoint)))
    book.add(Address(CHILD, endpoint.uri))
    mlflow.write(parcel(started(endpoint, run=CHILD, parent=RUN, name="child"), run=CHILD))
    assert endpoint.ledger.named("child").tags["mlflow.parentRunId"] == THEIRS


def test_a_bad_tag_at_the_start_does_not_cost_the_run(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    sent = parcel(started(endpoint, name="fit", tags={"good": "1", "bad#": "2"}))
    mlflow.write(sent)
    assert endpoint.ledger.named("fit").tags == {"fitscribe.run_key": RUN, "mlflow.runName": "fit", "good": "1"}
    assert sent.refused == [
        Refusal(Tags(RUN, 1000, {"bad#": "2"}), "INVALID_PARAMETER_VALUE 400: Invalid name: 'bad#'")
    ]


def test_one_bad_metric_is_singled_out_and_everything_else_arrives(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    points = [Metrics(RUN, 10 + i, i, {"loss": float(i), "mAP@50": 1.0, "acc": 0.5}) for i in range(500)]
    sent = parcel(started(endpoint), *points, Params(RUN, 1, {"a": "1"}))
    mlflow.write(sent)
    run = endpoint.ledger.runs[THEIRS]
    assert {key: len(found) for key, found in run.points.items()} == {"loss": 500, "acc": 500}
    assert run.params == {"a": "1"}
    assert sorted(refusal.record.step for refusal in sent.refused if isinstance(refusal.record, Metrics)) == [
        *range(500)
    ]
    assert all(
        refusal.record.values == {"mAP@50": 1.0} for refusal in sent.refused if isinstance(refusal.record, Metrics)
    )
    assert len(endpoint.requests) < 30


def test_a_param_with_a_second_value_is_refused_in_the_servers_words(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    sent = parcel(
        started(endpoint),
        Params(RUN, 1, {"a": "1", "b": "2"}),
        Params(RUN, 2, {"a": "1"}),
        Params(RUN, 3, {"b": "3", "c": "4"}),
    )
    mlflow.write(sent)
    assert endpoint.ledger.runs[THEIRS].params == {"a": "1", "b": "2", "c": "4"}
    words = "INVALID_PARAMETER_VALUE 400: Changing param values is not allowed: 'b'"
    assert sent.refused == [Refusal(Params(RUN, 3, {"b": "3"}), words)]


def test_a_deleted_run_is_not_asked_point_by_point(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    mlflow.write(parcel(started(endpoint)))
    endpoint.ledger.deleted.add(THEIRS)
    sent = parcel(*(Metrics(RUN, i, i, {f"m{i}": 1.0}) for i in range(300)))
    mlflow.write(sent)
    assert [refusal.record for refusal in sent.refused] == list(sent.records)
    assert endpoint.paths() == ["POST runs/create", "POST runs/log-batch", "GET runs/get"]


def test_a_missing_run_takes_nothing_more(endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook) -> None:
    book.add(Address(RUN, endpoint.uri, "f" * 32))
    sent = parcel(RunResumed(RUN, 1, endpoint.uri, "f" * 32), Params(RUN, 2, {"a": "1"}), RunEnded(RUN, 3, "FINISHED"))
    mlflow.write(sent)
    assert [refusal.record for refusal in sent.refused] == [sent.records[1], *sent.records[::2]]
    assert endpoint.paths() == ["POST runs/log-batch"]


def test_a_server_without_log_batch_gets_single_calls(mlflow: MLflow, endpoint: Endpoint, parcel: Pack) -> None:
    endpoint.absent = ("log-batch", "log-inputs", "log-model", "delete-tag")
    sent = parcel(
        started(endpoint),
        Params(RUN, 1, {"a": "1"}),
        Metrics(RUN, 2, 0, {"m": 1.5}),
        Tags(RUN, 3, {"gone": None}),
        DatasetUsed(RUN, 4, "data", "abc"),
        ModelLogged(RUN, 5, "model", "{}"),
        RunEnded(RUN, 6, "FINISHED"),
    )
    mlflow.write(sent)
    mlflow.write(parcel(Params(RUN, 7, {"b": "2"}), DatasetUsed(RUN, 8, "more", "def")))
    kept = f"mlflow-artifacts/artifacts/0/{THEIRS}/artifacts/fitscribe/datasets.json"

    def absent(word: str) -> list[str]:
        return [*[f"POST runs/{word}", "GET runs/get"] * 3, f"POST runs/{word}"]

    assert endpoint.paths() == [
        "POST runs/create",
        *absent("log-batch"),
        "POST runs/log-parameter",
        "POST runs/log-metric",
        *absent("log-inputs"),
        *absent("delete-tag"),
        "GET artifacts/list",
        f"PUT {kept}",
        *absent("log-model"),
        "POST runs/update",
        "POST runs/log-parameter",
        "GET artifacts/list",
        "GET runs/get",
        f"GET {kept}",
        f"PUT {kept}",
    ]
    run = endpoint.ledger.runs[THEIRS]
    assert (run.params, run.points, run.status) == ({"a": "1", "b": "2"}, {"m": [(1.5, 2, 0)]}, "FINISHED")
    datasets = msgspec.json.decode(*endpoint.ledger.artifacts.values())
    assert [each["dataset"]["name"] for each in datasets] == ["data", "more"]
    assert sent.refused == []


def test_a_wrong_address_loses_nothing(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    endpoint.trouble("html", "runs/create")
    sent = parcel(started(endpoint))
    with pytest.raises(TransportError, match=r"runs/create answered 404 \(a web page.*Check the tracking URI"):
        mlflow.write(sent)
    mlflow.write(sent)
    assert (list(endpoint.ledger.runs), sent.refused) == ([THEIRS], [])


@pytest.mark.parametrize("path", ["runs/create", "log-batch", "runs/update", "artifacts/"])
def test_a_login_page_with_status_200_is_no_success(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, path: str, tmp_path: Path
) -> None:
    endpoint.trouble("answer", path, status=200, body=b"<!doctype html><title>Sign in</title>")
    (tmp_path / "snapshot").write_bytes(b"1")
    told = Params(RUN, 1, {"a": "1"}), Artifact(RUN, 1, "a.txt", "snapshot"), RunEnded(RUN, 2, "FINISHED")
    sent = parcel(started(endpoint), *told)
    with pytest.raises(TransportError, match="a web page"):
        mlflow.write(sent)
    mlflow.write(sent)
    run = endpoint.ledger.runs[THEIRS]
    assert (run.params, run.status, len(endpoint.ledger.artifacts)) == ({"a": "1"}, "FINISHED", 1)


def test_two_requests_that_met_in_the_servers_database_are_no_refusal(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    words = "(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id, datasets.name"
    endpoint.trouble("answer", "log-inputs", status=400, body={"error_code": "BAD_REQUEST", "message": words})
    sent = parcel(started(endpoint), DatasetUsed(RUN, 1, "iris", "abc"))
    with pytest.raises(TransportError, match="IntegrityError"):
        mlflow.write(sent)
    mlflow.write(sent)
    assert ([each["dataset"]["name"] for each in endpoint.ledger.runs[THEIRS].inputs], sent.refused) == (["iris"], [])


def test_a_wrong_password_is_said_once_and_not_hammered(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.trouble("answer", status=401, body=b"You are not authenticated.", times=2)
    for _ in range(2):
        with pytest.raises(TransportError) as raised:
            mlflow.write(parcel(started(endpoint)))
        assert raised.value.wait == 60
    assert caplog.text.count("answered 401 (You are not authenticated.); check MLFLOW_TRACKING_USERNAME") == 1


def test_tags_that_are_taken_away_are_gone_and_twice_is_once(endpoint: Endpoint, mlflow: MLflow, parcel: Pack) -> None:
    mlflow.write(parcel(started(endpoint, tags={"a": "1", "b": "2"})))
    mlflow.write(parcel(Tags(RUN, 1, {"a": None})))
    sent = parcel(Tags(RUN, 2, {"a": None, "b": "3"}))
    endpoint.trouble("answer", "delete-tag", status=404, body={"error_code": "RESOURCE_DOES_NOT_EXIST"})
    mlflow.write(sent)
    tags = endpoint.ledger.runs[THEIRS].tags
    assert ({key: tags.get(key) for key in "ab"}, sent.refused) == ({"a": None, "b": "3"}, [])


def test_a_resumed_run_is_running_until_it_ends_again(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, book: AddressBook
) -> None:
    mlflow.write(parcel(started(endpoint), RunEnded(RUN, 2, "FINISHED")))
    book.add(Address(CHILD, endpoint.uri, THEIRS))
    mlflow.write(parcel(RunResumed(CHILD, 3, endpoint.uri, THEIRS), run=CHILD))
    assert endpoint.ledger.runs[THEIRS].status == "RUNNING"
    mlflow.write(parcel(RunResumed(CHILD, 4, endpoint.uri, THEIRS), RunEnded(CHILD, 5, "KILLED"), run=CHILD))
    assert (endpoint.ledger.runs[THEIRS].status, endpoint.ledger.runs[THEIRS].end_time) == ("KILLED", 5)
    assert endpoint.paths().count("POST runs/update") == 3


def test_datasets_and_models_are_told_with_what_the_server_calls_the_run(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    used = DatasetUsed(RUN, 1, "data", "abc123", schema='{"x": 1}', context="train")
    mlflow.write(parcel(started(endpoint), used, ModelLogged(RUN, 2, "model", '{"flavors": {"sklearn": {}}}')))
    run = endpoint.ledger.runs[THEIRS]
    dataset = {"name": "data", "digest": "abc123", "source_type": "code", "source": "{}", "schema": '{"x": 1}'}
    assert run.inputs == [{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}]
    assert [msgspec.json.decode(model["model_json"]) for model in run.models] == [
        {"flavors": {"sklearn": {}}, "run_id": THEIRS, "artifact_path": "model"}
    ]


def test_a_step_beyond_64_bits_is_refused_here_because_servers_store_0(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack
) -> None:
    sent = parcel(started(endpoint), Metrics(RUN, 1, 2**63, {"m": 1.0}), Metrics(RUN, 1, -(2**63), {"m": 2.0}))
    mlflow.write(sent)
    assert endpoint.ledger.runs[THEIRS].points == {"m": [(2.0, 1, -(2**63))]}
    assert sent.refused == [Refusal(Metrics(RUN, 1, 2**63, {"m": 1.0}), "the step does not fit in 64 bits")]


def test_files_arrive_under_their_paths_and_a_chart_is_left_out_without_matplotlib(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    monkeypatch.setattr(charts, "_missing", False)
    (tmp_path / "s1").write_bytes(b"content")
    sent = parcel(
        started(endpoint),
        Artifact(RUN, 1, "a dir/é #1.txt", "s1"),
        Drawing(RUN, 2, "loss.png", Lines("loss", "epoch", "loss", {"train": ([0.0, 1.0], [1.0, 0.5])})),
        Artifact(RUN, 3, "gone.txt", "s2"),
        Artifact(RUN, 4, "../escape", "s1"),
    )
    mlflow.write(sent)
    assert endpoint.ledger.artifacts == {f"0/{THEIRS}/artifacts/a dir/é #1.txt": b"content"}
    assert [(refusal.record.path, refusal.why) for refusal in sent.refused if isinstance(refusal.record, Artifact)] == [
        ("gone.txt", "HTTP 0: the snapshot s2 was removed before it was sent"),
        ("../escape", "INVALID_PARAMETER_VALUE 400: the artifact path '../escape' leaves the run's folder"),
    ]
    assert len(sent.refused) == 2
