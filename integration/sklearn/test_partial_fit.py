"""What a user finds of a training by `partial_fit`: one run, one step a call, nothing held."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_iris
from sklearn.decomposition import IncrementalPCA
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from fitscribe.current import entered
from fitscribe.records import Metrics, RunEnded
from fitscribe.run import Run

X, y = load_iris(return_X_y=True)
CLASSES = [0, 1, 2]


def taught(model, batches=4, rows=30):
    order = np.random.RandomState(0).permutation(len(X))
    for batch in range(batches):
        part = order[batch * rows : (batch + 1) * rows]
        model.partial_fit(X[part], y[part], CLASSES)
    return model


def test_many_calls_are_one_run_with_a_step_each(recorder, autolog):
    model = taught(SGDClassifier(alpha=0.01, random_state=0))
    run = recorder.run("SGDClassifier")
    assert recorder.params(run)["alpha"] == "0.01"
    assert recorder.history(run, "batch_samples") == [(0, 30), (1, 30), (2, 30), (3, 30)]
    assert recorder.history(run, "samples") == [(0, 30), (1, 60), (2, 90), (3, 120)]
    assert recorder.history(run, "t_") == [(0, 31), (1, 61), (2, 91), (3, 121)]
    assert all(value > 0 for _, value in recorder.history(run, "partial_fit_time"))
    assert recorder.tags(run)["estimator_name"] == "SGDClassifier"
    assert recorder.status(run) == "RUNNING"
    del model
    gc.collect()
    assert recorder.status(run) == "FINISHED"
    last = max(each.at for each in recorder.said if isinstance(each, Metrics))
    [ended] = [each for each in recorder.said if isinstance(each, RunEnded)]
    assert ended.at == last


@pytest.mark.parametrize(
    ("model", "key"),
    [
        (MLPClassifier((3,), random_state=0), "loss_"),
        (GaussianNB(), "samples"),
        (MiniBatchKMeans(3, n_init=1, random_state=0), "samples"),
        (IncrementalPCA(2), "n_samples_seen_"),
        (OneVsRestClassifier(SGDClassifier()), "samples"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_every_kind_has_its_run_and_its_own_numbers(recorder, autolog, model, key):
    for _ in range(3):
        model.partial_fit(X, y, **({"classes": CLASSES} if is_classifier(model) else {}))
    run = recorder.run(type(model).__name__)
    assert [step for step, _ in recorder.history(run, key)] == [0, 1, 2]


def test_several_outputs_in_threads_are_one_run(recorder, autolog):
    model = MultiOutputRegressor(SGDRegressor(random_state=0), n_jobs=2)
    for _ in range(3):
        model.partial_fit(X, np.c_[y, y])
    assert len(recorder.history(recorder.run("MultiOutputRegressor"), "samples")) == 3


def test_scalers_make_no_run(recorder, autolog):
    StandardScaler().partial_fit(X)
    assert recorder.runs() == []


def test_two_models_are_two_runs_whatever_their_turns(recorder, autolog):
    one, other = SGDClassifier(random_state=0), SGDClassifier(random_state=0)
    for _ in range(3):
        one.partial_fit(X, y, CLASSES)
        other.partial_fit(X[:50], y[:50], CLASSES)
    runs = recorder.runs()
    assert [recorder.metrics(run)["samples"] for run in runs] == [450, 150]


def test_models_side_by_side_in_threads_stay_apart(recorder, autolog):
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda seed: taught(SGDClassifier(random_state=seed)), range(8)))
    assert len(recorder.runs()) == len(kept) == 8
    assert all(len(recorder.history(run, "samples")) == 4 for run in recorder.runs())


def test_the_users_run_takes_the_steps_and_is_not_ended(recorder, autolog):
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        taught(SGDClassifier(random_state=0))
        gc.collect()
    run = recorder.run()
    assert len(recorder.history(run, "samples")) == 4
    assert recorder.status(run) == "RUNNING"
    mine.end()


def test_a_model_that_goes_on_in_another_run_of_the_user_is_told_there(recorder, autolog):
    model = SGDClassifier(random_state=0)
    for name in ("first", "second"):
        mine = Run.start(name, by_user=True)
        with entered(mine):
            taught(model)
        mine.end()
    assert [len(recorder.history(run, "samples")) for run in recorder.runs()] == [4, 4]


def test_fit_ends_the_run_and_makes_its_own(recorder, autolog):
    autolog(log_models=False)
    model = taught(SGDClassifier(random_state=0))
    model.fit(X, y)
    taught(model, batches=2)
    first, fit, third = recorder.runs()
    assert [recorder.status(run) for run in (first, fit)] == ["FINISHED", "FINISHED"]
    assert len(recorder.history(third, "samples")) == 2
    assert recorder.history(fit, "samples") == []


def test_nothing_is_kept_alive_and_nothing_is_on_the_model(recorder, autolog):
    model = SGDClassifier(random_state=0)
    taught(model)
    autolog(disable=True)
    alone = taught(SGDClassifier(random_state=0))
    assert vars(model).keys() == vars(alone).keys()
    assert pickle.dumps(model) == pickle.dumps(alone)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_clones_and_pickles_are_other_models(recorder, autolog):
    model = taught(SGDClassifier(random_state=0))
    taught(clone(model))
    taught(pickle.loads(pickle.dumps(model)))
    assert len(recorder.runs()) == 3


def test_a_batch_that_fails_is_told_and_the_run_goes_on(recorder, autolog):
    model = taught(SGDClassifier(random_state=0), batches=2)
    with pytest.raises(ValueError, match="features"):
        model.partial_fit(X[:, :2], y)
    model.partial_fit(X, y)
    run = recorder.run()
    assert [step for step, _ in recorder.history(run, "samples")] == [0, 1, 2]
    assert "features" in recorder.tags(run)["fitscribe.error"]


def test_a_first_batch_that_fails_is_a_failed_run(recorder, autolog):
    model = SGDClassifier()
    with pytest.raises(ValueError, match="classes must be passed"):
        model.partial_fit(X, y)
    taught(model)
    assert [recorder.status(run) for run in recorder.runs()] == ["FAILED", "RUNNING"]


def test_collecting_garbage_in_the_middle_of_logging_does_not_hang(recorder, autolog):
    """Models that die in cycles end their runs from wherever the collector runs."""
    done = threading.Event()

    def train():
        for seed in range(60):
            model = taught(SGDClassifier(random_state=seed), batches=2, rows=60)
            cycle = [model]
            cycle.append(cycle)
            del model, cycle
        done.set()

    threshold = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        threading.Thread(target=train, daemon=True).start()
        assert done.wait(120)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert {recorder.status(run) for run in recorder.runs()} == {"FINISHED"}
