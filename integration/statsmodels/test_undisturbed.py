"""A fit under autologging is not noticed: its results, their caches and pickles, other threads, callbacks, warnings."""

from __future__ import annotations

import pickle
import threading
import time
import warnings

import cloudpickle
import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import fitscribe
from integration.statsmodels.families import FITS, X, data, series

pytestmark = pytest.mark.filterwarnings("ignore:::statsmodels", "ignore:.*converge", "ignore:.*boundary")
AT_RANDOM = {"BinomialBayesMixedGLM", "STLForecast"}  # their fits differ a little from time to time


@pytest.mark.parametrize("name", FITS)
def test_results_hold_what_they_hold_without_us(name, recorder, autolog):
    with_us = FITS[name]()
    fitscribe.autolog(disable=True)
    without = FITS[name]()
    assert type(with_us) is type(without)
    ours, theirs = (getattr(each, "_results", each) for each in (with_us, without))
    assert set(vars(ours)) == set(vars(theirs))
    for cache in ("_cache", "_cache_fitted"):
        assert set(getattr(ours, cache, ())) == set(getattr(theirs, cache, ()))
    assert set(vars(with_us.model)) == set(vars(without.model))
    if name not in AT_RANDOM and hasattr(without, "params") and not isinstance(without.params, dict):
        assert np.array_equal(np.asarray(with_us.params), np.asarray(without.params), equal_nan=True)


def test_a_callback_stays_with_the_results_though_they_are_pickled(recorder, autolog):
    heard = []
    lock = threading.Lock()  # what cannot be pickled

    def callback(params):
        with lock:
            heard.append(params)

    results = smf.logit("yes ~ a", data).fit(disp=0, callback=callback)
    assert results.mle_settings["callback"] is callback
    assert heard
    assert recorder.metrics(recorder.run())["llf"] == pytest.approx(results.llf)


def test_results_are_pickled_saved_and_stripped_as_before(recorder, autolog, tmp_path):
    results = sm.OLS(data.y, X).fit()
    assert pickle.loads(pickle.dumps(results)).params.equals(results.params)
    results.save(str(tmp_path / "saved"), remove_data=True)
    assert sm.load(str(tmp_path / "saved")).params.equals(results.params)
    assert recorder.metrics(recorder.run())["rsquared"] > 0.5  # read from a copy, whatever was removed meanwhile


def test_a_formula_with_a_users_function_is_recorded_too(recorder, autolog):
    def twice(values):
        return 2 * values

    results = smf.ols("y ~ twice(a)", data).fit()
    run = recorder.run()
    assert recorder.metrics(run)["rsquared"] == pytest.approx(results.rsquared)
    assert "twice(a)" in recorder.artifacts(run)["model_summary.txt"].decode()


def test_a_model_sent_to_another_process_is_not_watched_there(recorder, autolog):
    class Mine(sm.OLS):
        def fit(self, **kwargs):
            return super().fit(**kwargs)

    assert b"fitscribe" not in pickle.dumps(sm.OLS(data.y, X))
    copy = cloudpickle.loads(cloudpickle.dumps(Mine))
    fitscribe.autolog(disable=True)
    assert copy(data.y, X).fit().params.size == 3


def test_threads_that_fit_at_the_same_time_have_runs_of_their_own(recorder, autolog):
    barrier = threading.Barrier(3)

    def fit(lags):
        barrier.wait(30)
        sm.tsa.AutoReg(series, lags).fit()

    threads = [threading.Thread(target=fit, args=(lags,)) for lags in (1, 2, 3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(len(recorder.artifacts(run)["coefficients.json"]) > 0 for run in recorder.runs()) == [True] * 3
    assert len({recorder.metrics(run)["aic"] for run in recorder.runs()}) == 3


def test_forecasts_made_while_the_background_reads_are_right(recorder, autolog):
    """A state space model is changed by whoever asks its results: the background has a copy of its own."""
    results = sm.tsa.SARIMAX(series, order=(1, 0, 0), trend="c").fit(disp=0)
    expected = None
    ends = time.monotonic() + 1
    while time.monotonic() < ends:
        found = results.forecast(12).to_numpy()
        expected = found if expected is None else expected
        assert np.array_equal(found, expected)


def test_warnings_of_a_fit_come_once_and_name_the_users_line(recorder, autolog):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        smf.logit("yes ~ a + b", data).fit(disp=0, maxiter=1)
        recorder.metrics(recorder.run())
    assert len([each for each in caught if "failed to converge" in str(each.message)]) == 1


def test_on_the_users_thread_recording_takes_little_beside_a_fit(recorder, autolog):
    """Summaries take 2 to 25 ms; they are none of the user's time. Measured as CPU time of the thread."""
    autolog(log_models=False, log_datasets=False)
    model = smf.logit("yes ~ a + b", data)
    model.fit(disp=0)  # what is imported for the first is there
    spent = []
    for _ in range(15):
        clock = time.thread_time()
        model.fit(disp=0)
        spent.append(time.thread_time() - clock)
    fitscribe.autolog(disable=True)
    alone = []
    for _ in range(15):
        clock = time.thread_time()
        model.fit(disp=0)
        alone.append(time.thread_time() - clock)
    assert min(spent) - min(alone) < 0.004


def test_switched_off_and_on_again_nothing_is_left(recorder, autolog):
    for _ in range(3):
        autolog()
        fitscribe.autolog(disable=True)
    sm.OLS(data.y, X).fit()
    assert not recorder.runs()
    autolog()
    autolog()
    sm.OLS(data.y, X).fit()
    assert len(recorder.runs()) == 1
