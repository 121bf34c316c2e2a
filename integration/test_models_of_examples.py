"""The models that the examples leave on a real MLflow server are loaded and used by real MLflow, and by us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import fitscribe
from fitscribe.client import Client
from integration import examples

READER = """
    import json, sys, warnings
    warnings.simplefilter("ignore")
    import mlflow, numpy as np
    assert "fitscribe" not in sys.modules
    mlflow.set_tracking_uri(sys.argv[1])
    for uri, rows in json.loads(sys.argv[2]):
        rows = np.array(rows)
        flavor, function = mlflow.sklearn.load_model(uri), mlflow.pyfunc.load_model(uri)
        columns = getattr(flavor, "feature_names_in_", None)
        if columns is not None:
            import pandas as pd
            rows = pd.DataFrame(rows, columns=columns)
        print("RESULT", json.dumps([np.asarray(each.predict(rows)).tolist() for each in (flavor, function)]))
    assert "fitscribe" not in sys.modules
"""


@pytest.mark.parametrize("name", ["linear_regression", "pipeline", "grid_search", "elastic_net", "quickstart"])
def test_mlflow_loads_and_uses_what_an_example_logged(name, mlflow_server, tmp_path, monkeypatch):
    client = Client(mlflow_server)
    before = {run.info.run_id for run in every_run(client)}
    examples.run(name, tmp_path, mlflow_server)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    fitscribe.set_tracking_uri(mlflow_server)
    asked, expected = [], []
    for run in every_run(client):
        for path in ("model", "best_estimator"):
            uri = f"runs:/{run.info.run_id}/{path}"
            if run.info.run_id in before or not client.list_artifacts(run.info.run_id, path):
                continue
            model = fitscribe.sklearn.load_model(uri)
            rows = np.random.default_rng(0).normal(size=(4, model.n_features_in_)) * 10
            if name in ("linear_regression", "pipeline"):
                rows = rows.astype(int)  # as they were trained: a signature is enforced
            asked.append((uri, rows.tolist()))
            expected.append(predicted(model, rows))
    assert len(asked) == {"elastic_net": 7, "grid_search": 2, "quickstart": 4}.get(name, 1)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READER), mlflow_server, json.dumps(asked)],
        capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "DO_NOT_TRACK": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line.removeprefix("RESULT ")) for line in done.stdout.splitlines() if "RESULT" in line]
    assert answers == [[each, each] for each in expected]


def predicted(model, rows):
    columns = getattr(model, "feature_names_in_", None)
    if columns is None:
        return model.predict(rows).tolist()
    import pandas as pd

    return model.predict(pd.DataFrame(rows, columns=columns)).tolist()


def every_run(client):
    ids = [each.experiment_id for each in client.search_experiments()]
    return client.search_runs(ids, max_results=1000)
