"""Runs of the embedded store."""

from __future__ import annotations

import re

import pytest

MISSING, INVALID = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"
KEY = "0123456789abcdef0123456789abcdef"


def keyed(**more):
    return {"experiment_id": "0", "tags": [{"key": "fitscribe.run_key", "value": KEY}], **more}


def test_a_run_is_answered_whole(post, get, folder):
    made = post(
        "runs/create",
        experiment_id="0",
        user_id="ann",
        run_name="mine",
        start_time=1700,
        tags=[{"key": "a", "value": "b"}],
    )["run"]
    run_id = made["info"]["run_id"]
    assert re.fullmatch("[0-9a-f]{32}", run_id)
    assert made == {
        "info": {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": "mine",
            "experiment_id": "0",
            "user_id": "ann",
            "status": "RUNNING",
            "start_time": 1700,
            "artifact_uri": f"{folder.as_uri()}/artifacts/0/{run_id}/artifacts",
            "lifecycle_stage": "active",
        },
        "data": {"tags": [{"key": "a", "value": "b"}, {"key": "mlflow.runName", "value": "mine"}]},
        "inputs": {},
        "outputs": {},
    }
    assert get("runs/get", run_id=run_id) == get("runs/get", run_uuid=run_id) == {"run": made}


def test_a_run_without_a_name_gets_one(post):
    made = post("runs/create", experiment_id="0")["run"]
    assert re.fullmatch("[a-z]+-[a-z]+-[0-9]+", made["info"]["run_name"])
    assert made["data"]["tags"] == [{"key": "mlflow.runName", "value": made["info"]["run_name"]}]
    assert made["info"]["start_time"] == 0


def test_the_name_may_come_as_a_tag_but_not_differ_from_it(post):
    tag = [{"key": "mlflow.runName", "value": "tagged"}]
    assert post("runs/create", experiment_id="0", tags=tag)["run"]["info"]["run_name"] == "tagged"
    assert post("runs/create", experiment_id="0", tags=tag, run_name="other") == (400, INVALID)


def test_the_run_key_becomes_the_id_and_a_second_create_changes_nothing(post, get):
    first = post("runs/create", **keyed(run_name="first", start_time=5))
    assert first["run"]["info"]["run_id"] == KEY
    post("runs/update", run_id=KEY, status="FINISHED", end_time=9)
    again = post("runs/create", **keyed(run_name="second", start_time=7))
    assert again == get("runs/get", run_id=KEY)
    assert again["run"]["info"]["run_name"] == "first"
    assert again["run"]["info"]["status"] == "FINISHED"


def test_a_run_key_that_is_no_id_is_a_tag_like_others(post):
    tags = [{"key": "fitscribe.run_key", "value": "../../etc"}]
    ids = {post("runs/create", experiment_id="0", tags=tags)["run"]["info"]["run_id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({}, (400, INVALID)),
        ({"experiment_id": "5"}, (404, MISSING)),
        ({"experiment_id": "x"}, (400, INVALID)),
        ({"experiment_id": 0}, (400, INVALID)),
        ({"experiment_id": "0", "start_time": 1.5}, (400, INVALID)),
        ({"experiment_id": "0", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]}, (400, INVALID)),
        ({"experiment_id": "0", "tags": [{"value": "1"}]}, (400, INVALID)),
        ({"experiment_id": "0", "tags": {"a": "b"}}, (400, INVALID)),
        ({"experiment_id": "0", "run_name": 5}, (400, INVALID)),
    ],
)
def test_a_run_that_cannot_be_is_refused(post, body, answer):
    assert post("runs/create", **body) == answer


def test_tags_of_a_new_run_may_be_many_and_long_with_any_key(new_run, data):
    run = new_run(tags=[{"key": f"k#{number}", "value": "v" * 9000} for number in range(500)])
    assert data(run)["tags"] == {f"k#{number}": "v" * 8000 for number in range(500)}


@pytest.mark.parametrize(
    ("status", "shown"), [("FINISHED", "FINISHED"), (4, "FAILED"), ("5", "KILLED"), ("RUNNING", "RUNNING")]
)
def test_status_is_taken_as_name_or_number(post, new_run, status, shown):
    assert post("runs/update", run_id=new_run(), status=status)["run_info"]["status"] == shown


def test_update_sets_what_is_given_and_no_more(post, get, new_run):
    run = new_run(run_name="old")
    info = post("runs/update", run_id=run, status="FINISHED", end_time=1800)["run_info"]
    assert (info["status"], info["end_time"], info["run_name"]) == ("FINISHED", 1800, "old")
    info = post("runs/update", run_id=run, run_name="new")["run_info"]
    assert (info["status"], info["end_time"], info["run_name"]) == ("FINISHED", 1800, "new")
    shown = get("runs/get", run_id=run)["run"]
    assert shown["info"] == info
    assert shown["data"]["tags"] == [{"key": "mlflow.runName", "value": "new"}]
    assert "end_time" not in post("runs/update", run_uuid=run, status="RUNNING", end_time=0)["run_info"]


@pytest.mark.parametrize(
    "more", [{"status": "NOPE"}, {"status": 9}, {"status": True}, {"end_time": "soon"}, {"end_time": 1.5}]
)
def test_an_update_with_nonsense_is_refused(post, new_run, more):
    assert post("runs/update", run_id=new_run(), **more) == (400, INVALID)


def test_runs_are_deleted_and_restored_again_and_again(post, get, new_run):
    run = new_run()
    for tail, stage in [("delete", "deleted"), ("delete", "deleted"), ("restore", "active"), ("restore", "active")]:
        assert post(f"runs/{tail}", run_id=run) == {}
        assert get("runs/get", run_id=run)["run"]["info"]["lifecycle_stage"] == stage
    assert post("runs/delete", run_id="nobody") == (404, MISSING)
    assert get("runs/get", run_id="../x") == (404, MISSING)


@pytest.mark.parametrize(
    ("tail", "body"),
    [
        ("update", {"status": "FINISHED"}),
        ("log-metric", {"key": "a", "value": 1, "timestamp": 1}),
        ("log-parameter", {"key": "a", "value": "1"}),
        ("log-batch", {}),
        ("set-tag", {"key": "a", "value": "1"}),
        ("log-inputs", {}),
    ],
)
def test_a_deleted_run_takes_nothing_and_a_missing_one_is_missing(post, new_run, tail, body):
    run = new_run()
    post("runs/delete", run_id=run)
    assert post(f"runs/{tail}", run_id=run, **body) == (400, INVALID)
    assert post(f"runs/{tail}", run_id="nobody", **body) == (404, MISSING)
    assert post(f"runs/{tail}", **body) == (400, INVALID)


def test_tags_are_set_changed_and_taken_away(post, data, new_run):
    run = new_run()
    for value in ("1", "2"):
        post("runs/set-tag", run_uuid=run, key="a", value=value)
    post("runs/set-tag", run_id=run, key="long", value="x" * 9000)
    assert data(run)["tags"] == {"a": "2", "long": "x" * 8000}
    assert post("runs/delete-tag", run_id=run, key="a") == {}
    assert post("runs/delete-tag", run_id=run, key="a") == (404, MISSING)
    assert data(run)["tags"] == {"long": "x" * 8000}
    assert post("runs/set-tag", run_id=run, key="a", value=5) == (400, INVALID)


def test_the_name_tag_renames_the_run(post, get, new_run):
    run = new_run()
    post("runs/set-tag", run_id=run, key="mlflow.runName", value="one")
    assert get("runs/get", run_id=run)["run"]["info"]["run_name"] == "one"
    post("runs/log-batch", run_id=run, tags=[{"key": "mlflow.runName", "value": "two"}])
    assert get("runs/get", run_id=run)["run"]["info"]["run_name"] == "two"


def test_params_are_written_once(post, data, new_run, refusal):
    run = new_run()
    for _ in range(2):
        assert post("runs/log-parameter", run_uuid=run, key="lr", value="0.1") == {}
    assert post("runs/log-parameter", run_id=run, key="none", value=None) == {}
    assert post("runs/log-parameter", run_id=run, key="long", value="x" * 6001) == {}
    assert "Changing param values is not allowed" in refusal("runs/log-parameter", run_id=run, key="lr", value="0.2")
    assert post("runs/log-parameter", run_id=run, key="number", value=1) == (400, INVALID)
    assert data(run)["params"] == {"lr": "0.1", "none": "", "long": "x" * 6000}


def test_inputs_are_shown_once_with_the_first_context(post, get, new_run):
    run = new_run()
    dataset = {"name": "iris", "digest": "abc", "source_type": "code", "source": "{}"}
    for context in ("train", "eval"):
        tags = [{"key": "mlflow.data.context", "value": context}]
        assert post("runs/log-inputs", run_id=run, datasets=[{"dataset": dataset, "tags": tags}]) == {}
    other = {"name": "iris", "digest": "abd", "source_type": "code", "source": "{}", "schema": "s", "profile": "p"}
    post("runs/log-inputs", run_id=run, datasets=[{"dataset": other}], models=[{"model_id": "m-1"}])
    assert get("runs/get", run_id=run)["run"]["inputs"] == {
        "dataset_inputs": [
            {"tags": [{"key": "mlflow.data.context", "value": "train"}], "dataset": dataset},
            {"dataset": other},
        ],
        "model_inputs": [{"model_id": "m-1"}],
    }
    too_long = {"name": "iris", "digest": "x" * 37}
    assert post("runs/log-inputs", run_id=run, datasets=[{"dataset": too_long}]) == (400, INVALID)
    assert post("runs/log-inputs", run_id=run, datasets=[{}]) == (400, INVALID)


def test_models_of_the_old_kind_pile_up_in_a_tag(post, data, new_run):
    run = new_run()
    words = (
        '{"artifact_path": "%s", "flavors": {"x": {"a": 1, "config": {}}}, "utc_time_created": "now", "run_id": "r", '
        '"signature": "long"}'
    )
    for path in ("one", "two"):
        assert post("runs/log-model", run_id=run, model_json=words % path) == {}
    assert data(run)["tags"]["mlflow.log-model.history"] == (
        '[{"artifact_path": "one", "flavors": {"x": {"a": 1}}, "utc_time_created": "now", "run_id": "r"}, '
        '{"artifact_path": "two", "flavors": {"x": {"a": 1}}, "utc_time_created": "now", "run_id": "r"}]'
    )
    assert post("runs/log-model", run_id=run, model_json="[") == (400, INVALID)
    assert post("runs/log-model", run_id=run, model_json='{"artifact_path": "x"}') == (400, INVALID)
