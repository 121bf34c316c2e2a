"""Autologging is not noticed: what is switched off is gone, and errors, warnings, processes are as without it."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import multiprocessing
import pickle
import sys
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

import fitscribe
from fitscribe.current import entered
from fitscribe.run import Run
from integration.sklearn.everything import WATCHED, changed, everything, runs, script

X, y = make_classification(60, 4, random_state=0)


class Mine(ClassifierMixin, BaseEstimator):
    """A user's own estimator, which raises on request."""

    def __init__(self, raises=None):
        self.raises = raises

    def fit(self, X, y=None):
        if self.raises is not None:
            raise self.raises
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


class Counts(StandardScaler):
    """A step that counts how often it was fitted."""

    calls = 0

    def fit(self, X, y=None, sample_weight=None):
        Counts.calls += 1
        return super().fit(X, y)


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """An error whose attributes cannot be set."""

    reason: str = "no"


# switched off


def test_switched_off_and_on_twenty_times_nothing_is_left(recorder):
    all_estimators()
    fitscribe.autolog()  # what is imported for the first training is there
    LogisticRegression().fit(X, y)
    fitscribe.autolog(disable=True)
    before = everything()
    for turn in range(20):
        fitscribe.autolog()
        assert changed(before, everything()), "on is on"
        between = type(f"Between{turn}", (Mine,), {"fit": lambda self, X, y=None: self})
        written = between.__dict__["fit"].__wrapped__
        between().fit(X, y)
        with suppress(ValueError):
            LogisticRegression().fit(X, y[:3])
        fitscribe.autolog(disable=True)
        assert changed(before, everything()) == []
        assert between.__dict__["fit"] is written
        assert not [path for path, each in everything().items() if hasattr(each, "__fitscribe__")]
    assert len(recorder.runs()) == 41


def test_switched_on_and_off_in_threads_while_others_fit(recorder):
    GridSearchCV(SVC(), {"C": [1]}, cv=2).fit(X, y)
    before, over, errors = everything(), threading.Event(), []

    def switches():
        while not over.is_set():
            fitscribe.autolog()
            fitscribe.autolog(disable=True)

    def fits():
        try:
            for _ in range(10):
                model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
                assert model.score(X, y) > 0.5
                GridSearchCV(SVC(), {"C": [1]}, cv=2).fit(X, y)
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    switching = [threading.Thread(target=switches) for _ in range(3)]
    fitting = [threading.Thread(target=fits) for _ in range(4)]
    for each in [*switching, *fitting]:
        each.start()
    for each in fitting:
        each.join()
    over.set()
    for each in switching:
        each.join()
    fitscribe.autolog(disable=True)
    assert errors == []
    assert changed(before, everything()) == []
    assert all(recorder.status(run) == "FINISHED" for run in recorder.runs())


def test_a_method_that_the_user_replaced_meanwhile_stays_his(autolog):
    def mine(self, X, y=None):
        return "mine"

    cls = type("Replaced", (Mine,), {"fit": lambda self, X, y=None: "first"})
    cls.fit = mine
    assert cls().fit(X, y) == "mine"
    fitscribe.autolog(disable=True)
    assert vars(cls)["fit"] is mine


def test_a_method_lent_to_a_class_made_meanwhile_is_given_back(autolog):
    lent = type("Lent", (ClassifierMixin, BaseEstimator), {"fit": Mine.fit, "fit_predict": LogisticRegression.fit})
    like = type("Like", (Mine,), {"fit": functools.wraps(Mine.fit)(lambda self, X, y=None: self)})
    assert hasattr(vars(like)["fit"], "__fitscribe__")
    fitscribe.autolog(disable=True)
    assert (lent.fit, lent.fit_predict) == (Mine.fit, LogisticRegression.fit)
    assert inspect.unwrap(lent.fit) is lent.fit


def test_classes_look_the_same_to_who_asks(autolog):
    """Signatures, names, documentation, conditional methods and metadata routing, on every estimator."""

    def looks() -> dict[Any, Any]:
        return {
            (cls.__name__, name): (
                inspect.signature(method),
                method.__doc__,
                method.__module__,
                method.__qualname__,
                inspect.getsource(method),
                inspect.isfunction(method),
            )
            for _, cls in all_estimators()
            for name in WATCHED
            if inspect.isfunction(method := getattr(cls, name, None)) and method.__module__.startswith("sklearn")
        }

    ours = looks()
    fitscribe.autolog(disable=True)
    plain = looks()
    assert ours.keys() == plain.keys()
    assert [key for key in plain if plain[key] != ours[key]] == []


# errors and warnings


def seen(fit) -> tuple[Any, ...]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        fit()
    error = caught.value
    frames = [(each.filename, each.name) for each in traceback.extract_tb(error.__traceback__)]
    return type(error), str(error), error.args, frames, type(error.__cause__), type(error.__context__)


@pytest.mark.parametrize(
    "fit",
    [
        lambda: LogisticRegression(C=-1).fit(X, y),
        lambda: LogisticRegression().fit(X, y[:5]),
        lambda: LogisticRegression().fit(),
        lambda: LogisticRegression().fit(X, y, nonsense=1),
        lambda: make_pipeline(StandardScaler(), Mine(KeyError("x"))).fit(X, y),
        lambda: Mine(Frozen("why")).fit(X, y),
        lambda: GridSearchCV(Mine(ValueError("all")), {"raises": [ValueError("one")]}, cv=2).fit(X, y),
        lambda: VotingClassifier([("a", Mine(OSError(5)))], n_jobs=2).fit(X, y),
    ],
)
def test_an_error_is_the_users_to_the_last_frame(autolog, fit):
    with fitscribe.unwatched():
        within = seen(fit)
    ours = seen(fit)
    fitscribe.autolog(disable=True)
    plain = seen(fit)
    assert ours == within == plain
    assert not [name for name, _ in plain[3] if "fitscribe/" in name.replace("\\", "/")]


def test_a_warning_names_the_users_line(autolog):
    class Warns(Mine):
        def fit(self, X, y=None):
            warnings.warn("old", DeprecationWarning, stacklevel=2)
            return super().fit(X, y)

    def heard() -> tuple[str, int]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            Warns().fit(X, y)
        return caught[0].filename, caught[0].lineno

    ours = heard()
    fitscribe.autolog(disable=True)
    assert ours == heard()
    assert ours[0] == __file__


def test_warnings_as_errors_are_the_users_warnings_alone(tmp_path):
    code = """
        import warnings
        import fitscribe
        fitscribe.autolog()
        from sklearn.datasets import load_iris
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV, cross_val_score
        from sklearn.neural_network import MLPClassifier
        X, y = load_iris(return_X_y=True)
        RandomForestClassifier(5).fit(X, y)
        GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1, 2]}, cv=2).fit(X, y)
        cross_val_score(LogisticRegression(max_iter=1000), X, y)
        try:
            MLPClassifier(max_iter=2).fit(X, y)
        except Warning as error:
            print(type(error).__name__)
    """
    done = script(tmp_path, code, "-W", "error")
    assert done.stdout == "ConvergenceWarning\n"
    assert "Warning" not in done.stderr
    assert sorted(each.info.status for each in runs(tmp_path)) == ["FAILED", *["FINISHED"] * 5]


@pytest.mark.parametrize("flags", [["-OO"], ["-X", "dev", "-I"]])
def test_however_python_is_started(tmp_path, flags):
    code = """
        import fitscribe
        fitscribe.autolog()
        from sklearn.linear_model import LogisticRegression
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        print(model.coef_.round(6).tolist())
    """
    done = script(tmp_path, code, *flags, PYTHONHASHSEED="0")
    assert done.stdout == "[[0.444647]]\n"
    assert [each.info.status for each in runs(tmp_path)] == ["FINISHED"]
    assert "Warning" not in done.stderr


# threads, tasks, processes, interrupts


def test_eight_threads_each_in_a_run_of_the_users(recorder, autolog):
    autolog(log_models=False)

    def train(number):
        with entered(Run.start(f"mine-{number}", by_user=True)):
            LogisticRegression(C=number + 1).fit(X, y)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(train, range(8)))
    assert {run.name: recorder.params(run)["C"] for run in recorder.runs()} == {
        f"mine-{number}": str(number + 1) for number in range(8)
    }


def test_tasks_of_asyncio_stay_apart(recorder, autolog):
    autolog(log_models=False)

    async def train(number):
        with entered(Run.start(f"task-{number}", by_user=True)):
            await asyncio.sleep(0)
            await asyncio.to_thread(LogisticRegression(C=number + 1).fit, X, y)
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(*(train(number) for number in range(5)))

    asyncio.run(main())
    assert {run.name: recorder.params(run)["C"] for run in recorder.runs()} == {
        f"task-{number}": str(number + 1) for number in range(5)
    }


@pytest.mark.skipif(not hasattr(multiprocessing.get_context(), "fork") and sys.platform == "win32", reason="no fork")
def test_forked_children_that_fit_have_runs_of_their_own(tmp_path):
    code = """
        import multiprocessing
        import fitscribe
        fitscribe.autolog()
        from sklearn.linear_model import LogisticRegression
        def train(C):
            return float(LogisticRegression(C=C).fit([[0.0], [1.0]], [0, 1]).C)
        LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(2) as pool:
                print(pool.map(train, [2.0, 3.0]))
                pool.close()
                pool.join()
    """
    done = script(tmp_path, code, "-W", "ignore::DeprecationWarning")
    assert done.stdout == "[2.0, 3.0]\n"
    found = runs(tmp_path)
    assert sorted(each.data.params["C"] for each in found) == ["1.0", "2.0", "3.0"]
    assert {each.info.status for each in found} == {"FINISHED"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send to a process")
def test_ctrl_c_in_a_fit_on_two_processes_is_ctrl_c(tmp_path):
    code = """
        import os, signal, threading, time
        import fitscribe
        fitscribe.autolog()
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        import numpy as np
        class Slow(ClassifierMixin, BaseEstimator):
            def __init__(self, a=1):
                self.a = a
            def fit(self, X, y):
                open(f"began-{self.a}-{time.time_ns()}", "w").close()
                time.sleep(60 if self.a > 1 else 0.1)
                self.classes_ = np.unique(y)
                return self
            def predict(self, X):
                return np.zeros(len(X), dtype=int)
        def interrupt():
            while sum(name.startswith("began-2") for name in os.listdir()) < 2:
                time.sleep(0.05)
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        try:
            GridSearchCV(Slow(), {"a": list(range(40))}, cv=2, n_jobs=2).fit(np.zeros((20, 1)), [0, 1] * 10)
        except KeyboardInterrupt:
            print("interrupted")
        LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    """
    done = script(tmp_path, code)
    assert done.stdout == "interrupted\n"
    status = {each.info.run_name: each.info.status for each in runs(tmp_path)}
    assert status["GridSearchCV"] == "KILLED"
    assert status["LogisticRegression"] == "FINISHED", "the next training is a run of its own"
    assert status["a=0"] == "FINISHED"
    assert "RUNNING" not in status.values()


# what lies between the user and the fit


def test_a_cache_of_joblib_keeps_working(recorder, autolog, tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    Counts.calls = 0
    for _ in range(2):
        make_pipeline(Counts(), LogisticRegression(), memory=memory).fit(X, y)
    fitscribe.autolog(disable=True)
    make_pipeline(Counts(), LogisticRegression(), memory=memory).fit(X, y)
    assert Counts.calls == 1, "a cache that was filled under autologging is good without"
    assert [run.name for run in recorder.runs()] == ["Pipeline", "Pipeline"]


def test_read_only_data_stays_read_only_and_is_enough(recorder, autolog, tmp_path):
    kept = tmp_path / "X.npy"
    np.save(kept, X)
    mapped = np.load(kept, mmap_mode="r")
    frame = pd.DataFrame(X, columns=list("abcd"))
    part = frame[["a", "b"]]
    before = frame.copy()
    LogisticRegression().fit(mapped, y)
    with joblib.parallel_backend("loky", n_jobs=2):
        RandomForestClassifier(4, n_jobs=2).fit(np.repeat(X, 10000, axis=0), np.repeat(y, 10000))  # 1.9 MB: memmaps
    SVC().fit(part, y)
    part.iloc[0, 0] = 99.0
    assert frame.equals(before)
    assert not mapped.flags.writeable
    assert [recorder.status(run) for run in recorder.runs()] == ["FINISHED"] * 3


def test_metadata_and_output_pass_as_without(recorder, autolog):
    with config_context(enable_metadata_routing=True):
        inner = LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = GridSearchCV(inner, {"C": [1.0, 2.0]}, cv=2)
        weights = np.arange(60.0)
        with fitscribe.unwatched():
            plain = clone(search).fit(X, y, sample_weight=weights)
        ours = clone(search).fit(X, y, sample_weight=weights)
        assert np.array_equal(plain.best_estimator_.coef_, ours.best_estimator_.coef_)
        assert repr(plain.get_metadata_routing()) == repr(ours.get_metadata_routing())
    scaler = StandardScaler().set_output(transform="pandas")
    assert list(scaler.fit_transform(pd.DataFrame(X, columns=list("abcd")))) == list("abcd")
    assert make_pipeline(scaler, LogisticRegression()).fit(X, y)[0].get_feature_names_out().tolist() == [
        "x0", "x1", "x2", "x3"
    ]  # fmt: skip


def test_a_fit_that_returns_something_else_returns_it(recorder, autolog):
    class Gives(Mine):
        def fit(self, X, y=None, *more, factor=1, **rest):
            self.classes_ = np.array([0, 1])
            return self, factor, more, rest

    model = Gives()
    assert model.fit(X=X, y=y, factor=2, other=3) == (model, 2, (), {"other": 3})
    assert Gives.fit(model, X, y, 7)[1:] == (1, (7,), {})
    assert [recorder.status(run) for run in recorder.runs()] == ["FINISHED"] * 2


def test_a_model_pickled_under_autologging_is_the_same_bytes(autolog):
    def dumped() -> bytes:
        return pickle.dumps(make_pipeline(StandardScaler(), SVC(random_state=0)).fit(X, y))

    ours = dumped()
    fitscribe.autolog(disable=True)
    assert ours == dumped()
    assert b"fitscribe" not in ours


def test_two_short_fits_cost_what_they_cost(recorder, autolog):
    """No thread of ours, nor a warnings filter, is left in the way of the next."""
    filters = list(warnings.filters)
    for _ in range(3):
        SVC().fit(X, y)
    recorder.runs()
    began = time.perf_counter()
    SVC().fit(X, y)
    assert time.perf_counter() - began < 2
    assert warnings.filters == filters
