"""Models as records of their own at a server that has them, and as files of their run at one that has not."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fitscribe.dialects import Address, AddressBook, Parcel
from fitscribe.dialects.mlflow import MLflow
from fitscribe.errors import TransportError
from fitscribe.records import (
    Artifact,
    DatasetUsed,
    Metrics,
    ModelBegun,
    ModelLogged,
    Params,
    Record,
    RunEnded,
    RunResumed,
    RunStarted,
)
from fitscribe.store import Store
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

RUN, THEIRS, MODEL = "a" * 32, f"{1:032x}", "m-" + "c" * 32
MADE = f"m-{1:032x}"
MLMODEL = b"flavors:\n  sklearn: {}\nmodel_id: null\nartifact_path: model\nutc_time_created: now\n"
FOLDER = f"0/models/{MADE}/artifacts"
Pack = Callable[..., Parcel]


@pytest.fixture
def told(endpoint: Endpoint, tmp_path: Path) -> list[Record]:
    """What a run with a model says."""
    (tmp_path / "s1").write_bytes(b"weights")
    (tmp_path / "s2").write_bytes(MLMODEL)
    return [
        RunStarted(RUN, 1, endpoint.uri, "fit", tags={"mlflow.user": "ada", "mlflow.source.name": "fit.py"}),
        Params(RUN, 2, {"C": "1.0"}),
        DatasetUsed(RUN, 3, "iris", "abc", context="train"),
        Metrics(RUN, 4, 0, {"training_score": 0.5, "fit_time": 2.0}),
        ModelBegun(RUN, 5, MODEL, "model"),
        Artifact(RUN, 6, "model/sub/model.pkl", "s1", MODEL),
        Artifact(RUN, 6, "model/MLmodel", "s2", MODEL),
        ModelLogged(RUN, 7, "model", '{"flavors": {}}', "digits", MODEL),
        RunEnded(RUN, 9, "FINISHED"),
    ]


def complete(endpoint: Endpoint) -> None:
    """Check that there is one run with one model, which is whole, and one version of a registered model."""
    ledger, shelf = endpoint.ledger, endpoint.ledger.shelf
    assert list(shelf.models) == [MADE]
    info, data = shelf.models[MADE]["info"], shelf.models[MADE]["data"]
    assert (info["name"], info["source_run_id"], info["status"]) == ("model", THEIRS, "LOGGED_MODEL_READY")
    assert {"key": "fitscribe.model_key", "value": MODEL} in info["tags"]
    assert {"key": "mlflow.user", "value": "ada"} in info["tags"]
    assert data["params"] == [{"key": "C", "value": "1.0"}]
    assert sorted((each["key"], each["value"]) for each in data["metrics"]) == [
        ("fit_time", 2.0),
        ("training_score", 0.5),
    ]
    assert shelf.outputs == {THEIRS: [MADE]}
    assert ledger.artifacts[f"{FOLDER}/sub/model.pkl"] == b"weights"
    said = ledger.artifacts[f"{FOLDER}/MLmodel"].decode()
    assert said.startswith(
        f'artifact_path: "mlflow-artifacts:/{FOLDER}"\nflavors:\n  sklearn: {{}}\nmodel_id: "{MADE}"'
    )
    assert said.endswith(f'run_id: "{THEIRS}"\nutc_time_created: now\n')
    assert said.count("model_id") == said.count("artifact_path") == 1
    assert set(ledger.artifacts) == {f"{FOLDER}/sub/model.pkl", f"{FOLDER}/MLmodel"}
    [version] = shelf.registered["digits"]
    assert (version["source"], version["run_id"], version["model_id"]) == (f"models:/{MADE}", THEIRS, MADE)
    assert ledger.runs[THEIRS].status == "FINISHED"
    assert ledger.runs[THEIRS].points == {"training_score": [(0.5, 4, 0)], "fit_time": [(2.0, 4, 0)]}


def test_a_model_is_a_record_of_its_own_with_its_files_params_metrics_and_run(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    sent = parcel(*told)
    mlflow.write(sent)
    assert sent.refused == []
    complete(endpoint)
    assert endpoint.paths() == [
        *("POST runs/create", "POST runs/log-batch", "POST runs/log-inputs", "POST logged-models", "POST runs/outputs"),
        *(f"PUT mlflow-artifacts/artifacts/{FOLDER}/{name}" for name in ("sub/model.pkl", "MLmodel")),
        *("POST runs/log-batch", f"PATCH logged-models/{MADE}", "POST runs/update"),
        *("POST model-versions/create", "POST registered-models/create", "POST model-versions/create"),
    ]
    points = endpoint.ledger.shelf.models[MADE]["data"]["metrics"]
    assert {each["key"]: each.get("dataset_name") for each in points} == {"training_score": "iris", "fit_time": None}
    assert sent.book.models == {MODEL: MADE}


@pytest.mark.parametrize("kind", ["drop", "drop-after"])
@pytest.mark.parametrize("number", range(13))
def test_any_answer_may_get_lost_and_there_is_one_model_with_one_version(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record], kind: str, number: int
) -> None:
    sent = parcel(*told)
    for _ in range(number):
        endpoint.trouble("delay", seconds=0)
    endpoint.trouble(kind)
    for _ in range(3):
        try:
            mlflow.write(sent)
            break
        except TransportError:
            continue
    assert sent.refused == []
    complete(endpoint)


@pytest.mark.parametrize("number", range(13))
def test_another_process_goes_on_with_the_model_of_one_that_died(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record], number: int, tmp_path: Path
) -> None:
    for _ in range(number):
        endpoint.trouble("delay", seconds=0)
    endpoint.trouble("drop-after")
    with contextlib.suppress(TransportError):  # some are sent again at once
        mlflow.write(parcel(*told))
    endpoint.troubles.clear()
    heir = MLflow(Http(endpoint.uri), endpoint.uri)
    book = AddressBook([Address(RUN, endpoint.uri, doubt=True)])
    heir.write(Parcel(RUN, endpoint.uri, told, book, [tmp_path]))
    heir.close()
    complete(endpoint)


def test_what_is_left_of_a_model_goes_to_it_when_its_beginning_was_sent_by_a_process_that_died(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record], tmp_path: Path
) -> None:
    mlflow.write(parcel(*told[:6]))
    heir = MLflow(Http(endpoint.uri), endpoint.uri)
    book = AddressBook([Address(RUN, endpoint.uri, THEIRS)])
    heir.write(Parcel(RUN, endpoint.uri, told[6:], book, [tmp_path]))
    heir.close()
    complete(endpoint)


def test_a_server_without_them_gets_the_files_with_the_run_and_is_asked_once(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    endpoint.absent = ("logged-models", "runs/outputs")
    mlflow.write(parcel(*told))
    root = f"0/{THEIRS}/artifacts/model"
    assert endpoint.ledger.artifacts[f"{root}/sub/model.pkl"] == b"weights"
    said = endpoint.ledger.artifacts[f"{root}/MLmodel"].decode()
    assert said.endswith(f'run_id: "{THEIRS}"\nutc_time_created: now\n')
    [model] = endpoint.ledger.runs[THEIRS].models
    assert msgspec.json.decode(model["model_json"])["artifact_path"] == "model"
    [version] = endpoint.ledger.shelf.registered["digits"]
    assert version["source"] == f"mlflow-artifacts:/{root}"
    assert "model_id" not in version
    first = endpoint.paths().index("POST logged-models")
    assert endpoint.paths()[first : first + 3] == ["POST logged-models", "GET runs/get", "POST logged-models"]
    assert endpoint.paths().count("POST logged-models") == 2
    endpoint.requests.clear()
    mlflow.write(parcel(RunResumed(RUN, 10, endpoint.uri, THEIRS), *told[4:7]))
    assert not [path for path in endpoint.paths() if "logged-models" in path]


@pytest.mark.parametrize("status", [400, 403])
def test_a_server_that_refuses_the_record_of_a_model_gets_the_run_and_its_files_all_the_same(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record], status: int
) -> None:
    refusal = {"error_code": "QUOTA", "message": "no more models"}
    endpoint.rules.append(lambda each: (status, refusal) if each.path.endswith("/logged-models") else None)
    sent = parcel(*told)
    mlflow.write(sent)
    assert sent.refused == []
    assert endpoint.ledger.runs[THEIRS].status == "FINISHED"
    assert endpoint.ledger.artifacts[f"0/{THEIRS}/artifacts/model/sub/model.pkl"] == b"weights"


def test_a_model_that_somebody_deletes_meanwhile_does_not_take_the_run_with_it(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    mlflow.write(parcel(*told[:6]))
    del endpoint.ledger.shelf.models[MADE]
    mlflow.write(parcel(*told[6:]))
    assert endpoint.ledger.runs[THEIRS].status == "FINISHED"


def test_a_registry_that_is_not_there_or_not_permitted_costs_the_registration_alone(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    endpoint.absent = ("registered-models", "model-versions")
    sent = parcel(*told)
    mlflow.write(sent)
    assert [each.record for each in sent.refused] == [told[7]]
    assert "'digits' got no version of the model" in sent.refused[0].why
    assert endpoint.ledger.runs[THEIRS].status == "FINISHED"
    assert endpoint.ledger.shelf.models[MADE]["info"]["status"] == "LOGGED_MODEL_READY"


def test_a_file_that_does_not_arrive_makes_the_model_a_failed_one(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record], tmp_path: Path
) -> None:
    (tmp_path / "s1").unlink()
    sent = parcel(*told)
    mlflow.write(sent)
    assert [each.record for each in sent.refused] == [told[5]]
    assert endpoint.ledger.shelf.models[MADE]["info"]["status"] == "LOGGED_MODEL_UPLOAD_FAILED"


def test_what_is_measured_after_the_model_was_logged_is_said_of_it_when_the_run_ends(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    mlflow.write(parcel(*told[:8], Metrics(RUN, 8, 0, {"test_score": 0.25})))
    points = endpoint.ledger.shelf.models[MADE]["data"]["metrics"]
    assert "test_score" not in {each["key"] for each in points}
    mlflow.write(parcel(told[8]))
    assert [each["value"] for each in points if each["key"] == "test_score"] == [0.25]


def test_what_was_configured_is_said_of_a_model_when_the_run_ends_though_it_came_later(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    mlflow.write(parcel(*told[:8]))
    mlflow.write(parcel(Params(RUN, 8, {"estimator": "SVC()"})))
    params = endpoint.ledger.shelf.models[MADE]["data"]["params"]
    assert "estimator" not in {each["key"] for each in params}
    mlflow.write(parcel(told[8]))
    assert [each["value"] for each in params if each["key"] == "estimator"] == ["SVC()"]
    assert len({each["key"] for each in params}) == len(params), "none is said twice: servers refuse that"


def test_a_name_that_no_model_can_have_stays_a_folder_of_the_run(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    moved: list[Record] = [ModelBegun(RUN, 5, MODEL, "a/b"), Artifact(RUN, 6, "a/b/model.pkl", "s1", MODEL)]
    mlflow.write(parcel(told[0], *moved, ModelLogged(RUN, 7, "a/b", "{}", "", MODEL)))
    assert set(endpoint.ledger.artifacts) == {f"0/{THEIRS}/artifacts/a/b/model.pkl"}
    assert endpoint.ledger.shelf.models == {}


def test_params_of_its_own_are_said_a_hundred_at_a_time(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    own = {f"p{number}": "1" for number in range(250)}
    mlflow.write(parcel(told[0], told[1], ModelBegun(RUN, 5, MODEL, "model", own)))
    params = endpoint.ledger.shelf.models[MADE]["data"]["params"]
    assert {each["key"]: each["value"] for each in params} == own
    sizes = [len(r.body["params"]) for r in endpoint.requests if "logged-models" in r.path]
    assert sizes == [100, 100, 50]


def test_journals_of_older_versions_have_models_among_the_files_of_the_run(
    endpoint: Endpoint, mlflow: MLflow, parcel: Pack, told: list[Record]
) -> None:
    old: list[Record] = [Artifact(RUN, 6, "model/MLmodel", "s2"), ModelLogged(RUN, 7, "model", "{}")]
    mlflow.write(parcel(told[0], *old))
    assert endpoint.ledger.artifacts == {f"0/{THEIRS}/artifacts/model/MLmodel": MLMODEL}
    assert endpoint.ledger.shelf.models == {}
    assert len(endpoint.ledger.runs[THEIRS].models) == 1


def test_the_embedded_store_takes_the_models_own_id(
    endpoint: Endpoint, parcel: Pack, told: list[Record], tmp_path: Path
) -> None:
    with Endpoint(ledger=Store(tmp_path / "store")) as served:
        dialect = MLflow(Http(served.uri), served.uri)
        book = AddressBook([Address(RUN, served.uri)])
        dialect.write(Parcel(RUN, served.uri, told[:7] + told[8:], book, [tmp_path]))
        dialect.close()
        assert book.models == {MODEL: MODEL}
        status, answer = served.ledger.handle("GET", f"/api/2.0/mlflow/logged-models/{MODEL}")
        served.ledger.close()
    assert status == 200
    assert answer["model"]["data"]["params"] == [{"key": "C", "value": "1.0"}]
