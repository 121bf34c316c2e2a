"""Results as models: MLflow loads ours, we load MLflow's, and no pickle is loaded unasked."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import fitscribe
from fitscribe.errors import MisuseError, UntrustedModel
from integration.statsmodels.families import FITS, X, data, series

NEW = pd.DataFrame({"a": [0.0, 1.0], "b": [0.5, -0.5]})


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitscribe.set_tracking_uri(str(tmp_path / "store"))
    return tmp_path


def test_results_are_saved_loaded_and_predict_as_before(store):
    results = smf.ols("y ~ a + np.exp(b)", data).fit()
    fitscribe.statsmodels.save_model(results, store / "model", input_example=NEW)
    loaded = fitscribe.statsmodels.load_model(store / "model")
    assert loaded.params.equals(results.params)
    assert loaded.predict(NEW).equals(results.predict(NEW))
    model = fitscribe.pyfunc.load_model(store / "model")
    assert np.allclose(model.predict(NEW), results.predict(NEW))
    assert [column["name"] for column in model.metadata.signature.inputs] == ["a", "b"]


def test_a_users_function_in_a_formula_is_found_where_the_model_is_loaded(store):
    def saved():
        def twice(values):
            return 2 * values

        results = smf.ols("y ~ twice(a)", data).fit()
        fitscribe.statsmodels.save_model(results, store / "model")
        return results

    results = saved()
    with pytest.raises(MisuseError, match="where you load it"):
        fitscribe.statsmodels.load_model(store / "model")

    def twice(values):
        return 2 * values

    loaded = fitscribe.statsmodels.load_model(store / "model")
    assert loaded.predict(NEW).equals(results.predict(NEW))
    assert twice(1) == 2


def test_an_autologged_model_is_loaded_from_its_run(store):
    fitscribe.statsmodels.autolog(registered_model_name="growth")
    try:
        results = sm.OLS(data.y, X).fit()
    finally:
        fitscribe.autolog(disable=True)
    run = fitscribe.last_active_run()
    assert fitscribe.flush(60)
    assert fitscribe.statsmodels.load_model(f"runs:/{run.info.run_id}/model").params.equals(results.params)
    assert fitscribe.statsmodels.load_model("models:/growth/1").params.equals(results.params)


def test_a_time_series_is_asked_from_start_to_end(store):
    results = sm.tsa.SARIMAX(series, order=(1, 0, 0)).fit(disp=0)
    fitscribe.statsmodels.save_model(results, store / "model")
    model = fitscribe.pyfunc.load_model(store / "model")
    asked = pd.DataFrame({"start": [70], "end": [75]})
    assert np.allclose(model.predict(asked), results.predict(70, 75))
    with pytest.raises(MisuseError, match="start"):
        model.predict(pd.DataFrame({"a": [1]}))


def test_without_its_data_a_model_is_small_and_the_users_results_are_whole(store):
    results = sm.OLS(np.arange(50_000.0), np.random.default_rng(0).normal(size=(50_000, 3))).fit()
    fitscribe.statsmodels.save_model(results, store / "whole")
    fitscribe.statsmodels.save_model(results, store / "small", remove_data=True)
    sizes = [(store / name / "model.statsmodels").stat().st_size for name in ("whole", "small")]
    assert sizes[1] < 100_000 < 1_000_000 < sizes[0]
    assert results.model.endog is not None
    assert np.allclose(fitscribe.statsmodels.load_model(store / "small").params, results.params)
    with pytest.raises(MisuseError, match="larger than"):
        fitscribe.statsmodels.save_model(results, store / "never", limit=1000)


def test_what_is_no_result_is_refused_with_what_to_do(store):
    with pytest.raises(MisuseError, match="give what `fit` returned"):
        fitscribe.statsmodels.save_model({"a": 1}, store / "model")
    with pytest.raises(MisuseError, match="cloudpickle or pickle"):
        fitscribe.statsmodels.save_model(FITS["OLS"](), store / "model", serialization_format="skops")


def test_a_strangers_pickle_is_not_loaded_unasked(store):
    fitscribe.statsmodels.save_model(FITS["OLS on arrays"](), store / "model")
    (store / "model" / "model.statsmodels").write_bytes(pickle.dumps({"not": "what was signed"}))
    with pytest.raises(UntrustedModel, match="trust=True"):
        fitscribe.statsmodels.load_model(store / "model")
    with pytest.raises(UntrustedModel):
        fitscribe.pyfunc.load_model(store / "model")
    assert fitscribe.statsmodels.load_model(store / "model", trust=True) == {"not": "what was signed"}


def test_mlflow_loads_ours_and_we_load_mlflows(store):
    pytest.importorskip("mlflow")
    results = sm.OLS(data.y, X).fit()
    fitscribe.statsmodels.save_model(results, store / "ours", input_example=X[:2])
    results.save(str(store / "results"))
    script = """
import mlflow, statsmodels.api as sm
results = sm.load("results")
mlflow.statsmodels.save_model(results, "theirs", pip_requirements=["statsmodels"])
assert mlflow.statsmodels.load_model("ours").params.equals(results.params)
import pandas
rows = pandas.DataFrame({"const": [1.0], "a": [2.0], "b": [0.0]})
assert mlflow.pyfunc.load_model("ours").predict(rows).equals(results.predict(rows))
"""
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=store, env=environment,
                          capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert fitscribe.statsmodels.load_model(store / "theirs", trust=True).params.equals(results.params)
    rows = pd.DataFrame({"const": [1.0], "a": [2.0], "b": [0.0]})
    asked = fitscribe.pyfunc.load_model(store / "theirs", trust=True).predict(rows)
    assert np.allclose(asked, results.predict(rows))
