"""Searches on engines of all kinds: what joblib hands to Dask or Ray is followed as what it keeps to itself."""

from __future__ import annotations

import logging
import sys
import time
from typing import ClassVar

import cloudpickle
import joblib
import numpy as np
import pytest
from joblib.parallel import ThreadingBackend, register_parallel_backend
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from fitscribe.integrations.sklearn import live
from integration.sklearn.waiting import PAUSE, Waits

X, y = load_iris(return_X_y=True)


def rows(recorder, search):
    """Each candidate's child, in the table's order, whatever the order in which they began."""
    [parent] = [run for run in recorder.runs() if not run.parent]
    found = []
    for params in search.cv_results_["params"]:
        expected = {name: str(value) for name, value in params.items()}
        [child] = [each for each in recorder.children(parent) if expected.items() <= recorder.params(each).items()]
        found.append(child)
    assert len(found) == len(recorder.children(parent))
    return found


def assert_told_to_the_last_digit(recorder, search):
    for row, child in enumerate(rows(recorder, search)):
        found = recorder.metrics(child)
        for name, column in search.cv_results_.items():
            if name != "params" and not name.startswith("param_"):
                assert np.array_equal(found[name], float(column[row]), equal_nan=True), name


def ended(recorder, search):
    """When each candidate's child ended, in seconds since the parent began."""
    at = {each.run: each.at for each in recorder.said if type(each).__name__ == "RunEnded"}
    return [(at[child.run] - recorder.runs()[0].at) / 1000 for child in rows(recorder, search)]


def without_us() -> None:
    """Leave a worker with no fitscribe to import."""
    sys.modules["fitscribe"] = None


@pytest.fixture(scope="module")
def dask():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(without_us)
        yield "dask"


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    yield "ray"
    ray.shutdown()


@pytest.fixture
def engine(request):
    return request.getfixturevalue(request.param) if request.param in ("dask", "ray") else request.param


ENGINES = ["loky", "threading", "multiprocessing", "dask", "ray"]
EVERY = pytest.mark.parametrize("engine", ENGINES, indirect=True)
LOUD = pytest.mark.filterwarnings("default::DeprecationWarning", "default::FutureWarning", "default::ResourceWarning")


@LOUD
@EVERY
def test_candidates_are_runs_while_the_search_goes_on_elsewhere(recorder, autolog, engine):
    autolog(log_models=False)
    search = GridSearchCV(Waits(), {"mark": list(range(8))}, cv=2, refit=False)
    with joblib.parallel_backend(engine, n_jobs=2):
        search.fit(X, y)
    assert_told_to_the_last_digit(recorder, search)
    at = ended(recorder, search)
    assert max(at) - min(at) > 4 * PAUSE


@LOUD
@pytest.mark.parametrize("engine", ["loky", "threading", "dask"], indirect=True)
def test_a_slow_first_candidate_does_not_hide_those_behind_it(recorder, autolog, engine):
    """Results are handed out in the order of the tasks; what is done is recorded before its turn."""
    autolog(log_models=False)
    grid = [{"mark": [0], "pauses": [20]}, {"mark": [1, 2, 3]}]
    search = GridSearchCV(Waits(), grid, cv=[(np.arange(100), np.arange(100, 150))], refit=False)
    with joblib.parallel_backend(engine, n_jobs=2):
        search.fit(X, y)
    assert_told_to_the_last_digit(recorder, search)
    first, *rest = ended(recorder, search)
    assert min(rest) < first - 5 * PAUSE


class Pickling(ThreadingBackend):
    """Keeps what would travel to a worker on another machine."""

    parcels: ClassVar[list[bytes]] = []

    def submit(self, func, callback=None):
        self.parcels.append(cloudpickle.dumps(func))
        return super().submit(func, callback)


def test_nothing_of_ours_travels_to_the_workers(recorder, autolog):
    register_parallel_backend("pickling", Pickling)
    Pickling.parcels.clear()
    with joblib.parallel_backend("pickling", n_jobs=2):
        search = GridSearchCV(make_pipeline(StandardScaler(), SVC()), {"svc__C": [1, 2]}, cv=2).fit(X, y)
    assert_told_to_the_last_digit(recorder, search)
    assert len(Pickling.parcels) == 4
    assert not any(b"fitscribe" in parcel for parcel in Pickling.parcels)


def test_what_is_leaned_on_in_joblib_is_there():
    """Its private names: without the first two children come when the search is over, without the rest in order."""
    engine = joblib.Parallel(n_jobs=2, backend="threading")
    assert all(
        callable(getattr(engine, name)) for name in ("_get_outputs", "_get_sequential_output", "_wait_retrieval")
    )
    looked = []
    ask = engine._wait_retrieval

    def waiting():
        looked.extend((vars(job).get("_result"), job.batch_size) for job in list(engine._jobs))
        return ask()

    engine._wait_retrieval = waiting
    tasks = (joblib.delayed(_rest)(seconds) for seconds in (0.5, 0.01))
    assert engine(tasks) == [0.5, 0.01]
    assert ([0.01], 1) in looked


def _rest(seconds):
    time.sleep(seconds)
    return seconds


def test_with_another_joblib_children_come_at_the_end(recorder, autolog, monkeypatch):
    monkeypatch.setattr(live, "TAKEN", ("_no_such_name",))
    search = GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y)
    assert_told_to_the_last_digit(recorder, search)
