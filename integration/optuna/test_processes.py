"""A study of several processes: each has a run of its own, joined by the study's name."""

from __future__ import annotations

import os
import subprocess
import sys

import optuna

import fitscribe

SCRIPT = """
import sys
import optuna
import fitscribe

fitscribe.autolog()
study = optuna.load_study(study_name="shared", storage=sys.argv[1])
if sys.argv[2] == "asks":
    study.tell(study.ask(), 1.0)
    study.ask()
else:
    study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=2)
"""


def found():
    """Return the runs of the study, each with its trials, in the order in which they began."""
    runs = fitscribe.search_runs(output_format="list", order_by=["attributes.start_time ASC"])
    parents = [run for run in runs if run.data.tags.get("fitscribe.study") == "shared"]
    below = "mlflow.parentRunId"
    return [(each, [run for run in runs if run.data.tags.get(below) == each.info.run_id]) for each in parents]


def test_processes_on_one_storage_have_a_run_each_and_one_that_asks_ends_with_its_process(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    fitscribe.set_tracking_uri(str(tmp_path / "store"))
    storage = f"sqlite:///{tmp_path / 'optuna.db'}"
    optuna.create_study(study_name="shared", storage=storage)
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "script.py", storage, how],
            cwd=tmp_path,
            env={**os.environ, "FITSCRIBE_TRACKING_URI": str(tmp_path / "store")},
            stderr=subprocess.PIPE,
            text=True,
        )
        for how in ("optimizes", "optimizes", "asks")
    ]
    for process in started:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint
    studies = found()
    assert [parent.info.status for parent, _ in studies] == ["FINISHED"] * 3
    assert [len(trials) for _, trials in studies] == [2, 2, 2]
    numbers = [int(run.data.tags["fitscribe.trial_id"]) for _, trials in studies for run in trials]
    assert sorted(numbers) == list(range(6)), "of all processes together, as Optuna counts them"
    assert {run.info.status for _, trials in studies for run in trials} == {"FINISHED"}
    assert all("fitscribe.best_trial" in parent.data.tags for parent, _ in studies)
