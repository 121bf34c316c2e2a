"""Workers that train one booster together: of Dask's, the first makes the run."""

from __future__ import annotations

import subprocess
import sys

import fitscribe

SCRIPT = """
import warnings
warnings.simplefilter("ignore")
import fitscribe
fitscribe.autolog()
import dask.array, numpy
from distributed import Client, LocalCluster
from xgboost import dask as xgboost

how = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
with LocalCluster(**how) as cluster, Client(cluster) as client:
    X = dask.array.from_array(numpy.random.default_rng(0).random((200, 3)), chunks=(100, 3))
    data = xgboost.DaskDMatrix(client, X, dask.array.from_array(numpy.arange(200) % 2, chunks=100))
    found = xgboost.train(client, {"nthread": 1}, data, 3, evals=[(data, "train")])
print("last:", float(found["history"]["train"]["rmse"][-1]))
"""


def test_of_dasks_workers_the_first_records_the_training(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    client = fitscribe.Client(tmp_path / ".fitscribe")
    [run] = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert (run.info.run_name, run.info.status) == ("xgboost.train", "FINISHED")
    assert f"last: {run.data.metrics['train-rmse']!r}" in done.stdout
