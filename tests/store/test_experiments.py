"""Experiments of the embedded store."""

from __future__ import annotations

import pytest

MISSING, TAKEN, INVALID = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "INVALID_PARAMETER_VALUE"


def test_the_default_experiment_is_there_from_the_start(get, folder):
    shown = get("experiments/get", experiment_id="0")["experiment"]
    assert shown.pop("creation_time") == shown.pop("last_update_time") > 1_700_000_000_000
    assert shown == {
        "experiment_id": "0",
        "name": "Default",
        "artifact_location": f"{folder.as_uri()}/artifacts/0",
        "lifecycle_stage": "active",
    }


def test_a_new_experiment_is_found_by_id_and_by_name_with_its_tags(post, get, folder):
    made = post("experiments/create", name="Übung 1", tags=[{"key": "b", "value": "2"}, {"key": "a"}])
    assert made == {"experiment_id": "1"}
    shown = get("experiments/get", experiment_id="1")["experiment"]
    assert shown == get("experiments/get-by-name", experiment_name="Übung 1")["experiment"]
    assert {name: shown[name] for name in ("name", "lifecycle_stage", "tags", "artifact_location")} == {
        "name": "Übung 1",
        "lifecycle_stage": "active",
        "tags": [{"key": "a", "value": ""}, {"key": "b", "value": "2"}],
        "artifact_location": f"{folder.as_uri()}/artifacts/1",
    }


def test_an_unknown_experiment_is_missing_and_a_word_is_no_id(get):
    assert get("experiments/get", experiment_id="77") == (404, MISSING)
    assert get("experiments/get-by-name", experiment_name="nobody") == (404, MISSING)
    assert get("experiments/get", experiment_id="seven") == (400, INVALID)
    assert get("experiments/get", experiment_id="9" * 30) == (400, INVALID)
    assert get("experiments/get") == (400, INVALID)


@pytest.mark.parametrize("name", ["", "   ", "x" * 501, 7, None, ["a"], "\ud800"])
def test_a_name_that_cannot_be_is_refused(post, name):
    assert post("experiments/create", name=name) == (400, INVALID)


def test_a_name_that_is_taken_is_refused_even_by_a_deleted_experiment(post):
    post("experiments/create", name="one")
    assert post("experiments/create", name="one") == (400, TAKEN)
    post("experiments/delete", experiment_id="1")
    assert post("experiments/create", name="one") == (400, TAKEN)


@pytest.mark.parametrize(
    "location",
    [
        "s3://bucket/x#y",
        "runs:/abc",
        "http://host/x",
        "mlflow-artifacts://host/x",
        "ftp://h/x",
        "/a/../b",
        "file:///a/%2e%2e/b",
    ],
)
def test_an_artifact_location_that_cannot_be_is_refused(post, location):
    assert post("experiments/create", name="one", artifact_location=location) == (400, INVALID)


def test_an_experiment_keeps_its_own_artifact_location(post, get, tmp_path):
    for location, kept in [
        ("s3://bucket/x/", "s3://bucket/x"),
        (str(tmp_path / "mine"), (tmp_path / "mine").as_uri()),
        ("here", (tmp_path / "here").as_uri()),  # the working directory
        ((tmp_path / "uri").as_uri(), (tmp_path / "uri").as_uri()),
    ]:
        made = post("experiments/create", name=location, artifact_location=location)
        assert get("experiments/get", **made)["experiment"]["artifact_location"] == kept


def test_renaming_finds_the_new_name_and_refuses_one_that_is_taken(post, get):
    post("experiments/create", name="one")
    post("experiments/create", name="two")
    assert post("experiments/update", experiment_id="1", new_name="uno") == {}
    assert post("experiments/update", experiment_id="1", new_name="uno") == {}
    assert get("experiments/get-by-name", experiment_name="uno")["experiment"]["experiment_id"] == "1"
    assert post("experiments/update", experiment_id="1", new_name="two") == (400, TAKEN)
    assert post("experiments/update", experiment_id="9", new_name="nine") == (404, MISSING)
    post("experiments/delete", experiment_id="1")
    assert post("experiments/update", experiment_id="1", new_name="eins") == (500, "INVALID_STATE")


def test_deleting_takes_the_runs_along_and_restoring_brings_them_back(post, get, new_run):
    post("experiments/create", name="one")
    run = new_run(experiment_id="1")

    def stages():
        experiment, mine = get("experiments/get", experiment_id="1"), get("runs/get", run_id=run)
        return experiment["experiment"]["lifecycle_stage"], mine["run"]["info"]["lifecycle_stage"]

    assert post("experiments/restore", experiment_id="1") == (404, MISSING)
    assert post("experiments/delete", experiment_id="1") == {}
    assert stages() == ("deleted", "deleted")
    assert post("experiments/delete", experiment_id="1") == (404, MISSING)
    assert post("runs/create", experiment_id="1") == (400, INVALID)
    assert post("experiments/set-experiment-tag", experiment_id="1", key="a", value="b") == (400, INVALID)
    assert post("experiments/restore", experiment_id="1") == {}
    assert stages() == ("active", "active")


def test_tags_of_an_experiment_are_set_changed_and_taken_away(post, get):
    for value in ("x", "y"):
        assert post("experiments/set-experiment-tag", experiment_id="0", key="team", value=value) == {}
    assert post("experiments/set-experiment-tag", experiment_id="0", key="empty") == {}
    assert get("experiments/get", experiment_id="0")["experiment"]["tags"] == [
        {"key": "empty", "value": ""},
        {"key": "team", "value": "y"},
    ]
    assert post("experiments/delete-experiment-tag", experiment_id="0", key="team") == {}
    assert post("experiments/delete-experiment-tag", experiment_id="0", key="team") == (404, MISSING)
    assert post("experiments/set-experiment-tag", experiment_id="0", key="k", value="v" * 20_001) == (400, INVALID)
    assert post("experiments/set-experiment-tag", experiment_id="0", key="k#", value="v") == (400, INVALID)
    assert post("experiments/set-experiment-tag", experiment_id="5", key="k", value="v") == (404, MISSING)
