"""Every family of models: one run for each fit, with settings, criteria, coefficients and a summary."""

from __future__ import annotations

import json
from inspect import signature

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import fitscribe
from integration.statsmodels.families import FITS, X, data, series

pytestmark = pytest.mark.filterwarnings("ignore:::statsmodels", "ignore:.*converge", "ignore:.*boundary")

NO_SUMMARY = {"GLM.fit_regularized", "OLS.fit_regularized"}
NO_COEFFICIENTS = {"ExponentialSmoothing", "Factor", "STLForecast", "VECM"}
NO_CRITERIA = {"BinomialBayesMixedGLM", "GLM.fit_regularized", "OLS.fit_regularized", "STLForecast", "ThetaModel"}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_is_a_run_whose_numbers_are_those_of_the_results(name, recorder, autolog):
    results = FITS[name]()
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert recorder.params(run)["model"] == run.name == name.partition(".")[0].partition(" ")[0]
    files = recorder.artifacts(run)
    assert ("model_summary.txt" in files) == (name not in NO_SUMMARY)
    assert ("coefficients.json" in files) == (name not in NO_COEFFICIENTS)
    assert bool(recorder.metrics(run)) == (name not in NO_CRITERIA)
    assert recorder.metrics(run) == pytest.approx(
        {key: getattr(results, key) for key in recorder.metrics(run)}, nan_ok=True
    )
    assert ("model/model.statsmodels" in files) == (name != "ConditionalLogit")  # which cannot be pickled
    if name not in NO_COEFFICIENTS:
        table = json.loads(files["coefficients.json"])
        found = pd.DataFrame(table["data"], columns=table["columns"])
        assert found.params.to_numpy() == pytest.approx(np.asarray(results.params).T.ravel())
    if name not in NO_SUMMARY:
        assert len(files["model_summary.txt"]) > 300


def test_the_coefficients_are_a_table_with_errors_p_values_and_bounds(recorder, autolog):
    results = smf.ols("y ~ a + b", data).fit()
    table = json.loads(recorder.artifacts(recorder.run())["coefficients.json"])
    found = pd.DataFrame(table["data"], columns=table["columns"]).set_index("name")
    assert list(found.index) == ["Intercept", "a", "b"]
    assert list(found.columns) == ["params", "bse", "tvalues", "pvalues", "lower", "upper"]
    assert found.pvalues.to_numpy() == pytest.approx(results.pvalues.to_numpy())
    assert found[["lower", "upper"]].to_numpy() == pytest.approx(results.conf_int().to_numpy())


def test_of_several_equations_each_coefficient_says_which_it_is_in(recorder, autolog):
    results = sm.MNLogit(data.level, X).fit(disp=0)
    table = json.loads(recorder.artifacts(recorder.run())["coefficients.json"])
    found = pd.DataFrame(table["data"], columns=table["columns"]).set_index("name")
    assert found.params["1: a"] == pytest.approx(results.params.loc["a", 1])
    assert found.upper["1: a"] == pytest.approx(results.conf_int().iloc[4, 1])


def test_params_are_formula_model_and_all_arguments_of_the_fit(recorder, autolog):
    model = smf.glm("count ~ a + b", data, family=sm.families.Poisson())
    model.fit(maxiter=50, start_params=np.zeros(3), cov_type="HC1")
    params = recorder.params(recorder.run())
    wanted = {"model": "GLM", "formula": "count ~ a + b", "family": "Poisson", "maxiter": "50", "cov_type": "HC1"}
    assert wanted.items() <= params.items()
    assert params["tol"] == "1e-08"
    assert not {"self", "kwargs", "endog", "exog", "data", "start_params"} & set(params)
    sm.tsa.SARIMAX(series, order=(1, 0, 0), seasonal_order=(0, 1, 0, 12)).fit(disp=0)
    params = recorder.params(recorder.runs()[-1])
    assert {"order": "(1, 0, 0)", "seasonal_order": "(0, 1, 0, 12)", "method": "lbfgs"}.items() <= params.items()


def test_a_fit_that_did_not_converge_says_so(recorder, autolog):
    with pytest.warns(UserWarning, match="converge"):
        smf.logit("yes ~ a + b", data).fit(disp=0, maxiter=1)
    smf.logit("yes ~ a + b", data).fit(disp=0)
    assert [recorder.tags(run)["converged"] for run in recorder.runs()] == ["False", "True"]


def test_the_data_of_a_fit_is_described(recorder, autolog):
    smf.ols("y ~ a + b", data).fit()
    sm.OLS(data.y.to_numpy(), X.to_numpy()).fit()
    sm.tsa.AutoReg(series, 1).fit()
    autolog(log_datasets=False, log_models=False)
    sm.OLS(data.y, X).fit()
    used = [each for each in recorder.said if type(each).__name__ == "DatasetUsed"]
    assert [json.loads(each.profile).get("num_rows") for each in used][::2] == [120, 72]
    assert [each.run for each in used] == [run.run for run in recorder.runs()[:3]]
    assert not [path for path in recorder.artifacts(recorder.runs()[-1]) if path.startswith("model/")]


def test_an_error_of_the_fit_is_the_users_and_the_run_failed(recorder, autolog):
    with pytest.raises(ValueError, match="method"):
        smf.logit("yes ~ a", data).fit(method="nowhere", disp=0)
    with pytest.raises(KeyboardInterrupt):
        smf.logit("yes ~ a", data).fit(disp=0, callback=interrupt)
    assert [recorder.status(run) for run in recorder.runs()] == ["FAILED", "KILLED"]
    assert recorder.params(recorder.runs()[0])["method"] == "nowhere"


def interrupt(_):
    raise KeyboardInterrupt


def test_fits_that_statsmodels_makes_for_itself_are_no_runs(recorder, autolog):
    """W: MLflow makes a run for each auxiliary regression of a test, and for the null model of a summary."""
    from statsmodels.stats.diagnostic import het_breuschpagan, linear_reset
    from statsmodels.stats.outliers_influence import variance_inflation_factor
    from statsmodels.tsa.stattools import adfuller

    results = smf.logit("yes ~ a + b", data).fit(disp=0)
    assert results.llnull < 0  # fits the null model
    assert results.summary()
    adfuller(
        series, autolag="AIC", **({"result_object": True} if "result_object" in signature(adfuller).parameters else {})
    )
    variance_inflation_factor(X.to_numpy(), 1)
    linear = sm.OLS(data.y, X).fit()
    het_breuschpagan(linear.resid, X)
    linear_reset(linear, use_f=True)
    assert [run.name for run in recorder.runs()] == ["Logit", "OLS"]


def test_a_users_own_model_is_recorded_once(recorder, autolog):
    class Mine(sm.OLS):
        def fit(self, shrink=1.0, **kwargs):
            assert super().fit(**kwargs).params.size == 3
            return super().fit_regularized(alpha=shrink)

    Mine(data.y, X).fit(shrink=0.25)
    run = recorder.run()
    assert run.name == "Mine"
    assert recorder.params(run)["shrink"] == "0.25"


def test_a_loop_of_fits_in_one_run_is_a_child_for_each_but_the_first(recorder, autolog):
    with fitscribe.start_run(run_name="orders") as parent:
        for order in range(3):
            sm.tsa.AutoReg(series, order + 1).fit()
    top = next(run for run in recorder.runs() if run.run == parent.info.run_id)
    assert len(recorder.children(top)) == 2
    assert recorder.metrics(top)["aic"]


def test_a_large_fit_leaves_no_copy_waiting(recorder, autolog):
    autolog(log_models=False)
    wide = np.random.default_rng(0).normal(size=(20_000, 16))
    results = sm.OLS(wide[:, 0], wide[:, 1:]).fit()
    found = [each for each in recorder.said if type(each).__name__ == "Metrics"]  # no waiting for the background
    assert found[-1].values["rsquared"] == pytest.approx(results.rsquared)
