"""What the protocol's JSON becomes, whichever server wrote it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitscribe.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    FileInfo,
    InputTag,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    PagedList,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    SourceType,
    ViewType,
)
from fitscribe.errors import MisuseError
from fitscribe.reading import answers

WHOLE = {
    "info": {
        "run_id": "a" * 32,
        "run_uuid": "a" * 32,
        "run_name": "first",
        "experiment_id": "7",
        "user_id": "kim",
        "status": "FINISHED",
        "start_time": 1_700_000_000_000,
        "end_time": 1_700_000_001_000,
        "lifecycle_stage": "active",
        "artifact_uri": "mlflow-artifacts:/7/x/artifacts",
    },
    "data": {
        "metrics": [
            {"key": "acc", "value": 0.5, "timestamp": 1, "step": 2},
            {"key": "loss", "value": "NaN", "timestamp": 1, "step": 2},
        ],
        "params": [{"key": "C", "value": "1.0"}],
        "tags": [{"key": "team", "value": "a"}],
    },
    "inputs": {
        "dataset_inputs": [
            {
                "dataset": {"name": "d", "digest": "12", "source_type": "code", "source": "{}", "profile": "{}"},
                "tags": [{"key": "mlflow.data.context", "value": "train"}],
            }
        ],
        "model_inputs": [{"model_id": "m-1"}],
    },
    "outputs": {"model_outputs": [{"model_id": "m-2", "step": "3"}]},
    "something new": [1, 2],
}


def test_a_whole_run():
    run = answers.run(WHOLE)
    assert math.isnan(run.data.metrics.pop("loss"))
    assert run == Run(
        RunInfo(
            "a" * 32,
            "7",
            "kim",
            "FINISHED",
            1_700_000_000_000,
            1_700_000_001_000,
            "active",
            "mlflow-artifacts:/7/x/artifacts",
            "first",
        ),
        RunData({"acc": 0.5}, {"C": "1.0"}, {"team": "a"}),
        RunInputs(
            [DatasetInput(Dataset("d", "12", "code", "{}", None, "{}"), [InputTag("mlflow.data.context", "train")])],
            [LoggedModelInput("m-1")],
        ),
        RunOutputs([LoggedModelOutput("m-2", 3)]),
    )


def test_a_run_as_a_dictionary():
    run = answers.run({**WHOLE, "data": {"params": [{"key": "C", "value": "1.0"}]}})
    assert run.to_dictionary() == {
        "info": {name: value for name, value in WHOLE["info"].items() if name != "run_uuid"},
        "data": {"metrics": {}, "params": {"C": "1.0"}, "tags": {}},
        "inputs": {
            "dataset_inputs": [
                {
                    "dataset": {
                        "name": "d",
                        "digest": "12",
                        "source_type": "code",
                        "source": "{}",
                        "schema": None,
                        "profile": "{}",
                    },
                    "tags": {"mlflow.data.context": "train"},
                }
            ],
            "model_inputs": [{"model_id": "m-1"}],
        },
        "outputs": {"model_outputs": [{"model_id": "m-2", "step": 3}]},
    }
    assert dict(run.info)["run_name"] == "first"
    assert run.info.run_uuid == run.info.run_id


@pytest.mark.parametrize("nothing", [None, {}, {"info": None, "data": [], "inputs": "?"}, []])
def test_a_run_with_everything_missing(nothing: Any):
    assert answers.run(nothing) == Run(RunInfo(""))


def test_a_server_that_knows_only_old_names_and_sends_numbers_as_text():
    info = {"run_uuid": "b", "status": 3, "start_time": "1700000000001", "end_time": 0}
    tags = [{"key": "mlflow.runName", "value": "old"}]
    assert answers.run({"info": info, "data": {"tags": tags}}) == Run(
        RunInfo("b", status="FINISHED", start_time=1_700_000_000_001, run_name="old"),
        RunData(tags={"mlflow.runName": "old"}),
    )


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (1, 1.0),
        ("0.25", 0.25),
        ("Infinity", math.inf),
        ("-Infinity", -math.inf),
        (1e308, 1e308),
    ],
)
def test_the_value_of_a_metric(sent: Any, value: float):
    point = {"key": "m", "value": sent, "timestamp": "5", "step": -1}
    assert answers.metric(point) == Metric("m", value, 5, -1)


def test_a_metric_that_leaves_out_what_is_zero():
    assert answers.metric({"key": "m"}) == Metric("m", 0.0, 0, 0)


@pytest.mark.parametrize("sent", ["NaN", float("nan"), None, [], "many"])
def test_a_metric_without_a_number_is_nan(sent: Any):
    assert math.isnan(answers.metric({"key": "m", "value": sent}).value)


def test_whole_numbers_keep_all_their_digits():
    assert answers.metric({"key": "m", "timestamp": str(2**62 + 1), "step": 2**62 + 1}) == Metric(
        "m", 0.0, 2**62 + 1, 2**62 + 1
    )


def test_files_and_folders():
    assert answers.file_info({"path": "d", "is_dir": True}) == FileInfo("d", True, None)
    assert answers.file_info({"path": "empty"}) == FileInfo("empty", False, 0)
    assert answers.file_info({"path": "f", "is_dir": False, "file_size": "12"}) == FileInfo("f", False, 12)


def test_an_experiment():
    sent = {"experiment_id": "1", "name": "n", "tags": [{"key": "k", "value": "v"}], "creation_time": "5"}
    assert answers.experiment(sent) == Experiment("1", "n", tags={"k": "v"}, creation_time=5)


def test_pages():
    page = answers.page({"runs": [{}], "next_page_token": "t"}, "runs", answers.run)
    assert (page, page.token, page.to_list()) == ([Run(RunInfo(""))], "t", [Run(RunInfo(""))])
    last = answers.page({}, "runs", answers.run)
    assert (last, last.token) == (PagedList(), None)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["info", "data", "metrics", "key", "value", "inputs", "dataset_inputs", "start_time", "status"]
                ),
                x,
            )
        ),
    )
)
def test_no_answer_breaks_the_reading_of_a_run(answer: Any):
    assert isinstance(answers.run(answer), Run)


def test_states_have_names_and_numbers():
    assert RunStatus.to_string(RunStatus.KILLED) == "KILLED"
    assert RunStatus.from_string("FAILED") == 4
    assert [RunStatus.is_terminated(status) for status in RunStatus.all_status()] == [False, False, True, True, True]
    assert (ViewType.from_string("all"), SourceType.to_string(4)) == (3, "LOCAL")
    with pytest.raises(MisuseError, match="RunStatus has no 'DONE'; it has RUNNING, SCHEDULED"):
        RunStatus.from_string("DONE")
    with pytest.raises(MisuseError, match="ViewType has no 9"):
        ViewType.to_string(9)


def test_entities_are_values():
    assert len({Param("a", "1"), Param("a", "1"), Param("a", "2")}) == 2
    assert Metric("a", 1.0, 2, 3).to_dictionary() == {
        "key": "a",
        "value": 1.0,
        "timestamp": 2,
        "step": 3,
        "model_id": None,
        "dataset_name": None,
        "dataset_digest": None,
        "run_id": None,
    }
    with pytest.raises(AttributeError):
        Param("a", "1").value = "2"
