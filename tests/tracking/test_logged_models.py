"""Models with a record of their own, as users of the tracking API and of the client see them."""

from __future__ import annotations

from pathlib import Path

import pytest

import fitscribe
from fitscribe import Client, modeling
from fitscribe.active import ActiveRun
from fitscribe.errors import MissingFile, MisuseError, NotFoundError
from fitscribe.records import new_id

MLMODEL = {"flavors": {"python_function": {}}, "utc_time_created": "now"}


@pytest.fixture(autouse=True)
def nothing_logged_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modeling, "last", None)


def logged(run: ActiveRun, path: str = "model", register_as: str = "") -> str:
    """Record a model of two files; its id of ours."""
    model = f"m-{new_id()}"
    run.run.model_begun(path, model)
    run.run.log_text("weights", f"{path}/data/weights.bin", model)
    run.run.log_text("flavors: {}\n", f"{path}/MLmodel", model)
    run.run.model_logged(path, MLMODEL, register_as, model)
    modeling.last = run.run.to, model
    return model


def test_a_model_is_listed_and_downloaded_among_the_files_of_its_run(tmp_path: Path) -> None:
    with fitscribe.start_run() as run:
        fitscribe.log_text("x", "notes/a.txt")
        fitscribe.log_text("more", "model/extra.txt")
        logged(run)
    client, run_id = Client(), run.info.run_id
    assert [(each.path, each.is_dir) for each in client.list_artifacts(run_id)] == [("model", True), ("notes", True)]
    assert [each.path for each in client.list_artifacts(run_id, "model")] == [
        *("model/MLmodel", "model/data", "model/extra.txt")
    ]
    assert [each.path for each in client.list_artifacts(run_id, "model/data")] == ["model/data/weights.bin"]
    for path in ("model/data/weights.bin", "model/extra.txt"):
        assert Path(client.download_artifacts(run_id, path, tmp_path / "one")).name == path.rpartition("/")[2]
    whole = Path(client.download_artifacts(run_id, "", tmp_path / "all"))
    found = {file.relative_to(whole).as_posix() for file in whole.rglob("*") if file.is_file()}
    assert found == {"notes/a.txt", "model/extra.txt", "model/MLmodel", "model/data/weights.bin"}
    model = Path(client.download_artifacts(run_id, "model", tmp_path / "model"))
    assert {file.name for file in model.rglob("*") if file.is_file()} == {"extra.txt", "MLmodel", "weights.bin"}
    with pytest.raises(NotFoundError):
        client.download_artifacts(run_id, "model/nothing", tmp_path / "none")


def test_of_two_models_of_one_name_the_later_one_is_meant_and_both_are_there(tmp_path: Path) -> None:
    with fitscribe.start_run() as run:
        first, second = logged(run), logged(run)
    outputs = Client().get_run(run.info.run_id).outputs.model_outputs
    assert {each.model_id for each in outputs} == {first, second}
    place = Client().download_artifacts(run.info.run_id, "model/MLmodel", tmp_path)
    assert second in Path(place).read_text()


def test_the_last_model_is_told_by_its_record() -> None:
    assert fitscribe.last_logged_model() is None
    with fitscribe.start_run() as run:
        fitscribe.log_params({"C": 1})
        fitscribe.log_metric("before", 0.5)
        model = logged(run, register_as="digits")
        fitscribe.log_metric("after", 0.75)
    found = fitscribe.last_logged_model()
    assert found is not None
    assert (found.model_id, found.name, found.source_run_id) == (model, "model", run.info.run_id)
    assert found.model_uri == f"models:/{model}"
    assert found.status == "READY"
    assert found.params == {"C": "1"}
    assert {each.key: each.value for each in found.metrics} == {"before": 0.5, "after": 0.75}
    assert found == fitscribe.get_logged_model(model)
    [version] = Client().search_model_versions("name = 'digits'")
    assert (version.run_id, version.model_id) == (run.info.run_id, model)
    assert found.tags["mlflow.modelVersions"] == '[{"name": "digits", "version": 1}]'


def test_our_id_of_a_model_is_understood_where_the_server_has_another(endpoint) -> None:
    fitscribe.set_tracking_uri(endpoint.uri)
    with fitscribe.start_run() as run:
        model = logged(run)
    found = fitscribe.get_logged_model(model)
    assert (found.model_id, found.tags["fitscribe.model_key"]) == (f"m-{1:032x}", model)


def test_where_there_are_no_such_records_the_last_model_has_none(endpoint) -> None:
    endpoint.absent = ("logged-models",)
    fitscribe.set_tracking_uri(endpoint.uri)
    with fitscribe.start_run() as run:
        logged(run)
    assert fitscribe.last_logged_model() is None


def test_a_model_is_made_given_files_and_finished_by_hand(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("hi")
    with fitscribe.start_run() as run:
        made = fitscribe.initialize_logged_model("mine", params={f"p{n}": n for n in range(150)}, tags={"t": 1})
    assert (made.status, made.source_run_id, len(made.params)) == ("PENDING", run.info.run_id, 150)
    client = Client()
    client.log_model_artifacts(made.model_id, folder)
    client.log_model_artifact(made.model_id, folder / "sub" / "a.txt")
    assert [each.path for each in client.list_logged_model_artifacts(made.model_id)] == ["a.txt", "sub"]
    with pytest.raises(MissingFile):
        client.log_model_artifact(made.model_id, folder / "nothing")
    fitscribe.set_logged_model_tags(made.model_id, {"u": 2})
    fitscribe.delete_logged_model_tag(made.model_id, "t")
    fitscribe.log_model_params({"late": 1}, made.model_id)
    done = fitscribe.finalize_logged_model(made.model_id, "READY")
    assert (done.status, done.tags, done.params["late"]) == ("READY", {"u": "2"}, "1")
    with pytest.raises(MisuseError, match="finished as READY or FAILED, not as 'DONE'"):
        fitscribe.finalize_logged_model(made.model_id, "DONE")
    client.delete_logged_model(made.model_id)
    with pytest.raises(NotFoundError):
        fitscribe.get_logged_model(made.model_id)


def test_models_are_searched_as_a_list_or_a_frame() -> None:
    fitscribe.set_experiment("searched")
    made = fitscribe.create_external_model("elsewhere", params={"a": "1"})
    assert made.status == "READY"
    assert fitscribe.search_logged_models(output_format="list") == [made]
    assert fitscribe.search_logged_models(filter_string="params.a = '2'", output_format="list") == []
    with pytest.raises(MisuseError, match="output_format='rows' is none of"):
        fitscribe.search_logged_models(output_format="rows")
    with pytest.raises(MisuseError, match="needs a model_id"):
        fitscribe.log_model_params({"a": 1})
