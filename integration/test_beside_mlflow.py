"""The same scripts under real `mlflow.autolog()` and under ours, compared key by key; each difference is listed."""

from __future__ import annotations

import json
import re

import pytest

from fitscribe.client import Client
from integration import examples

# What only one side records, and why.
ONLY_OURS = {
    "params": {},
    "metrics": {
        r"fit_time": "how long the fit took",
        r"\w+_": "plain numbers that the fit left on the estimator, under their own names",
        r"split\d+_test_\w+": "a candidate's score on each split",
        r"test_score|score_time": "likewise, with a step for each split as it came in",
    },
    "tags": {
        r"fitscribe\.run_key": "finds the run again after a lost answer",
        r"fitscribe\.best": "the candidate that won",
        r"fitscribe\.overhead_ms": "what recording cost the training",
        r"mlflow\.source\.git\.(commit|branch|repoURL|dirty)": "MLflow needs GitPython for these",
        r"estimator_(name|class)": "MLflow sets them on runs of its own alone, or on the same ones",
    },
    "artifacts": {
        r"(coefficients|feature_importances)\.csv": "what the model weighs, with the features' names",
    },
}
ONLY_THEIRS = {
    "params": {},
    "metrics": {},
    "tags": {r"mlflow\.autologging": "MLflow sets it on children of a user's run; ours are told by their parent"},
    "artifacts": {},
}
# The same key, another value.
OTHER_VALUE = {
    r"mean_(fit|score)_time|std_(fit|score)_time": "measured times differ from run to run",
    r"mlflow\.runName": "MLflow's are invented, ours are told by the estimator or the candidate",
    r"mlflow\.parentRunId": "ids differ",
    r"mlflow\.source\.name": "the script lies in another folder",
}


def record_of(client, run) -> dict[str, dict[str, str]]:
    return {
        "params": run.data.params,
        "metrics": run.data.metrics,
        "tags": run.data.tags,
        "artifacts": dict.fromkeys(files_of(client, run.info.run_id), ""),
    }


def files_of(client, run_id, path=None):
    for each in client.list_artifacts(run_id, path):
        if each.is_dir:
            yield from files_of(client, run_id, each.path)
        else:
            yield each.path


def recorded(name, folder, uri, tracker):
    """Run an example under an experiment of its own; return its runs, told apart by what they are about."""
    experiment = f"{name} under {tracker}"
    if name in ("elastic_net", "product_loop"):
        pytest.fail("these choose an experiment of their own")
    examples.run(name, folder, uri, tracker, MLFLOW_EXPERIMENT_NAME=experiment)
    client = Client(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], max_results=1000)
    return client, {key_of(run): run for run in runs}


def key_of(run) -> str:
    """What a run is about, whoever recorded it."""
    if "mlflow.parentRunId" in run.data.tags:
        return "child " + " ".join(
            f"{name}={run.data.params[name]}" for name in ("C", "kernel") if name in run.data.params
        )
    return "parent"


def explained(kind: str, key: str, lists: dict[str, dict[str, str]]) -> bool:
    return any(re.fullmatch(pattern, key) for pattern in lists[kind])


@pytest.mark.parametrize("name", ["linear_regression", "pipeline", "grid_search"])
def test_the_record_has_mlflows_keys_and_values(name, mlflow_server, tmp_path):
    client, theirs = recorded(name, tmp_path / "theirs", mlflow_server, "mlflow")
    _, ours = recorded(name, tmp_path / "ours", mlflow_server, "fitscribe")
    assert theirs.keys() <= ours.keys()
    if name == "grid_search":
        assert len(theirs) == 1 + 5, "MLflow keeps the five best"
        assert len(ours) == 1 + 6
    unexplained = []
    for about, run in theirs.items():
        a, b = record_of(client, run), record_of(client, ours[about])
        for kind in a:
            unexplained += [f"{about}: {kind} {key} is MLflow's alone" for key in a[kind].keys() - b[kind].keys()
                            if not explained(kind, key, ONLY_THEIRS)]  # fmt: skip
            unexplained += [f"{about}: {kind} {key} is ours alone" for key in b[kind].keys() - a[kind].keys()
                            if not explained(kind, key, ONLY_OURS)]  # fmt: skip
            for key in a[kind].keys() & b[kind].keys():
                same = a[kind][key] == b[kind][key]
                if kind == "metrics" and not same:
                    same = a[kind][key] == pytest.approx(b[kind][key], rel=1e-9)
                if not same and not any(re.fullmatch(pattern, key) for pattern in OTHER_VALUE):
                    unexplained.append(f"{about}: {kind} {key} is {a[kind][key]!r} there and {b[kind][key]!r} here")
    assert not unexplained, "\n".join(unexplained)


def test_datasets_are_told_as_mlflow_tells_them(mlflow_server, tmp_path):
    _, theirs = recorded("pipeline", tmp_path / "theirs", mlflow_server, "mlflow")
    _, ours = recorded("pipeline", tmp_path / "ours", mlflow_server, "fitscribe")
    [a], [b] = (runs["parent"].inputs.dataset_inputs for runs in (theirs, ours))
    assert (a.dataset.name, a.dataset.source_type) == (b.dataset.name, b.dataset.source_type) == ("dataset", "code")
    assert a.dataset.schema == b.dataset.schema
    assert json.loads(a.dataset.profile).items() <= json.loads(b.dataset.profile).items()  # ours tells more
    assert {tag.key: tag.value for tag in a.tags} == {tag.key: tag.value for tag in b.tags}
