"""A training told by transformers' own `MLflowCallback`, and by us, key by key; each difference has its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.beside import record, unexplained

SCRIPT = """
import pathlib, sys
if sys.argv[1] == "fitscribe":
    import fitscribe
    fitscribe.autolog()
from integration.transformers import toys

given = {"eval_strategy": "steps", "eval_steps": 3, "save_strategy": "steps", "save_steps": 3}
reported = {"report_to": "mlflow" if sys.argv[1] == "mlflow" else "none"}
trainer = toys.trainer(pathlib.Path("work"), compute_metrics=toys.accuracy, learning_rate=0.01, **given, **reported)
trainer.train()
if sys.argv[1] == "fitscribe":
    assert fitscribe.flush(120)
"""
ONLY_OURS = {
    "params": {"model_class|total_params|trainable_params": "which model it is, and how large"},
    "metrics": {"best_metric|best_global_step": "what the Trainer found best"},
    "tags": {
        r"fitscribe\.\w+": "finds the run again after a lost answer; what recording cost",
        r"mlflow\.source\.git\..*": "MLflow needs GitPython for these",
        "mlflow.autologging": "the callback is none",
    },
    "artifacts": {
        "training_arguments.json|model_config.json": "all settings: MLflow has them as params, but for the long ones",
        "checkpoints.json": "where the weights are, and their hashes",
    },
}
ONLY_THEIRS = {
    "params": {".*": "a setting that is as it always is, or none: in the two files"},
    "metrics": {},
    "tags": {},
    "artifacts": {},
}
OTHER_VALUE = {
    r"tags mlflow\.(runName|source\.name|user)": "another process; MLflow invents names",
    r"metrics .*(runtime|per_second)": "how long it took",
    "params output_dir|params logging_dir": "another folder",
}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    pytest.importorskip("mlflow")
    root = str(Path(__file__).resolve().parents[2])
    both = [record(tracker, SCRIPT, tmp_path_factory.mktemp(tracker), PYTHONPATH=root, OMP_NUM_THREADS="1")
            for tracker in ("mlflow", "fitscribe")]  # fmt: skip
    assert [len(runs) for runs in both] == [1, 1]
    return [runs[0] for runs in both]


def test_the_record_has_the_callbacks_keys_and_values(records):
    found = unexplained(*records, only_theirs=ONLY_THEIRS, only_ours=ONLY_OURS, other_value=OTHER_VALUE)
    assert not found, "\n".join(found)


def test_no_param_that_somebody_set_is_missing(records):
    theirs, ours = (each["params"] for each in records)
    assert len(theirs) > 120 > 70 > len(ours)  # some servers take no more than 200, in all
    assert {"learning_rate", "eval_steps", "eval_strategy", "max_steps", "hidden_size"} <= set(ours)
