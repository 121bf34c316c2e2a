"""Fits under real `mlflow.statsmodels.autolog()` and under ours, key by key; each difference has its reason."""

from __future__ import annotations

import pytest

from integration.beside import record, unexplained

SCRIPT = """
import sys
from integration.statsmodels.families import FITS, X, data, series, sm, smf

tracker = __import__(sys.argv[1])
tracker.statsmodels.autolog(log_models=False)  # MLflow's takes half a minute for each
for name in ("OLS", "GLM", "Logit", "MixedLM", "ARIMA"):
    with tracker.start_run(run_name=name):
        FITS[name]()
with tracker.start_run(run_name="tests"):
    sm.OLS(data.y, X).fit()
from statsmodels.stats.outliers_influence import variance_inflation_factor
variance_inflation_factor(X.to_numpy(), 1)
if sys.argv[1] == "fitscribe":
    assert tracker.flush(120)
"""
MORE = "criteria that MLflow's list does not have"
ONLY_OURS = {
    "params": {
        "model|formula": "which model it is: MLflow tells the arguments of `fit` alone",
        "family|order|seasonal_order|trend|enforce_.*|concentrate_scale|trend_offset|exog_vc|use_sqrt": "of the model",
    },
    "metrics": {"aicc|hqic|nobs|llnull|prsquared|deviance|null_deviance|pearson_chi2|sse|mse|mae": MORE},
    "tags": {
        "converged": "MLflow does not say that a fit did not converge",
        r"fitscribe\.\w+": "finds the run again after a lost answer; what recording cost",
        r"mlflow\.source\.git\..*": "MLflow needs GitPython for these",
        "mlflow.autologging": "MLflow sets it on runs of its own alone",
    },
    "artifacts": {"coefficients.json": "MLflow has them in the text of the summary alone"},
}
ONLY_THEIRS = {
    "params": {"exog|kwargs|fit_kwargs": "MLflow writes names of arguments that nobody gave"},
    "metrics": {},
    "tags": {},
    "artifacts": {},
}
OTHER_VALUE = {
    r"tags mlflow\.(runName|source\.name|user|runColor)": "another process",
    "metrics df_resid": "MLflow's store makes the largest number of infinity",
}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    pytest.importorskip("mlflow")
    from pathlib import Path

    root = str(Path(__file__).resolve().parents[2])
    return [record(tracker, SCRIPT, tmp_path_factory.mktemp(tracker), PYTHONPATH=root)
            for tracker in ("mlflow", "fitscribe")]  # fmt: skip


def test_the_record_has_mlflows_keys_and_values(records):
    theirs, ours = ({run["tags"]["mlflow.runName"]: run for run in runs} for runs in records)
    for name in ("OLS", "GLM", "Logit", "MixedLM", "ARIMA"):
        found = unexplained(
            theirs[name], ours[name], only_theirs=ONLY_THEIRS, only_ours=ONLY_OURS, other_value=OTHER_VALUE
        )
        assert not found, f"{name}:\n" + "\n".join(found)


def test_mlflow_makes_runs_for_what_statsmodels_fits_for_itself_and_we_do_not(records):
    theirs, ours = records
    assert len(ours) == 6
    assert len(theirs) > 6
