"""What is recorded of a model after its fit, by predictions, scores and metrics, and what is left alone."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_breast_cancer, load_iris, make_multilabel_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    check_scoring,
    classification_report,
    confusion_matrix,
    f1_score,
    get_scorer,
    make_scorer,
    mean_squared_error,
    precision_recall_fscore_support,
    r2_score,
    roc_auc_score,
    roc_curve,
    silhouette_score,
)
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import fitscribe
from fitscribe import afterwards
from fitscribe.current import entered
from fitscribe.integrations.sklearn import predictions
from fitscribe.patching import family_of
from fitscribe.records import DatasetUsed
from fitscribe.run import Run

X_train, X_test, y_train, y_test = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)
UNPATCHED = {name: getattr(sklearn.metrics, name) for name in sklearn.metrics.__all__}


@pytest.fixture
def quick(autolog):
    """Autologging without models, which these tests do not look at."""
    autolog(log_models=False)
    return autolog


@pytest.fixture
def tree(quick):
    return DecisionTreeClassifier(max_depth=3, random_state=0).fit(X_train, y_train)


def after(recorder, run) -> dict[str, float]:
    """The metrics that came after the fit."""
    afterwards.drain(20)
    info = told(recorder, run)
    return {key: value for key, value in recorder.metrics(run).items() if key in info}


def told(recorder, run) -> dict[str, str]:
    afterwards.drain(20)
    return json.loads(recorder.artifacts(run).get("metric_info.json", b"{}"))


def inputs(recorder, run) -> list[tuple[str, str]]:
    afterwards.drain(20)
    found = [each for each in recorder.said if isinstance(each, DatasetUsed) and each.run == run.run]
    return [(each.context, each.digest) for each in found]


def test_metrics_and_scores_on_test_data_are_in_the_run_of_the_model(recorder, tree):
    """SK-18 to SK-20: MLflow's keys, and what was called in `metric_info.json`."""
    p = tree.predict(X_test)
    score = accuracy_score(y_test, p)
    count = accuracy_score(y_test, p, normalize=False)
    own = tree.score(X_test, y_test)
    run = recorder.run()
    assert after(recorder, run) == {
        "accuracy_score_X_test": score,
        "accuracy_score-2_X_test": count,
        "DecisionTreeClassifier_score_X_test": own,
    }
    assert told(recorder, run)["accuracy_score-2_X_test"] == "accuracy_score(y_true=y_test, y_pred=p, normalize=False)"
    assert told(recorder, run)["DecisionTreeClassifier_score_X_test"] == (
        "DecisionTreeClassifier.score(X=X_test, y=y_test)"
    )


def test_the_index_counts_each_metric_on_each_dataset(recorder, tree):
    """W-26: the first score on the training data has no number, whatever was measured before on other data."""
    tree.score(X_test, y_test)
    tree.score(X_test, y_test, np.ones(len(y_test)) * 2)
    tree.score(X_train, y_train)
    assert list(after(recorder, recorder.run())) == [
        "DecisionTreeClassifier_score_X_test",
        "DecisionTreeClassifier_score-2_X_test",
        "DecisionTreeClassifier_score_X_train",
    ]


def test_a_cell_that_is_run_again_adds_nothing(recorder, tree):
    for _ in range(30):
        accuracy_score(y_test, tree.predict(X_test))
    assert list(after(recorder, recorder.run())) == ["accuracy_score_X_test"]


def test_other_data_under_the_same_name_gets_a_number(recorder, tree):
    for half in (X_test[:70], X_test[70:]):
        tree.predict(half)
        accuracy_score(y_test[: len(half)], tree.predict(half))
    keep = X_test[:40]
    tree.score(keep, y_test[:40])
    keep = keep.copy()
    tree.score(keep, y_test[:40], sample_weight=np.ones(40))
    found = list(after(recorder, recorder.run()))
    assert found[:2] == ["accuracy_score_half", "accuracy_score_half-2"]
    assert found[2:] == ["DecisionTreeClassifier_score_keep", "DecisionTreeClassifier_score-2_keep"]


def test_probabilities_of_one_class_lead_back_to_their_model(recorder, tree):
    """W-25: `roc_auc_score(y_test, proba[:, 1])`, the usual call; by name and by place, of slices too."""
    proba = tree.predict_proba(X_test)
    area = roc_auc_score(y_test, proba[:, 1])
    roc_auc_score(y_true=y_test[:100], y_score=proba[:100, 1])
    roc_auc_score(y_test, tree.predict_proba(X_test)[:, 1], max_fpr=0.5)
    found = after(recorder, recorder.run())
    assert list(found) == ["roc_auc_score_X_test", "roc_auc_score-2_X_test", "roc_auc_score-3_X_test"]
    assert found["roc_auc_score_X_test"] == area


def test_a_view_of_a_hidden_array_leads_back_too(recorder, quick):
    class Transposed(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.cache_ = np.zeros((2, 1000))
            return self

        def predict(self, X):
            return np.ones((2, len(X))).T

    model = Transposed().fit(X_train, np.column_stack([y_train, y_train]))
    mean_squared_error(y_test, model.predict(X_test)[:, 0])
    assert list(after(recorder, recorder.run())) == ["mean_squared_error_X_test"]


def test_the_users_own_data_never_counts_as_a_prediction(recorder, quick):
    class Echo(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.learned_ = np.zeros(len(X_test))
            return self

        def predict(self, X):
            return X[:, 0] if X.ndim == 2 else X

        def decision_function(self, X):
            return self.learned_[:]

    model = Echo().fit(X_train, y_train)
    model.predict(X_test)
    column = X_test[:, 0].copy()
    assert model.predict(column) is column
    model.decision_function(X_test)
    for mine in (X_test[:, 1], column, X_test[:, 0], model.learned_):
        mean_squared_error(y_test, mine)
    assert after(recorder, recorder.run()) == {}


def test_scorers_record_the_metric_behind_them(recorder, tree):
    """W-25: `get_scorer("accuracy")(model, X, y)`, the copy that it returns; a metric of one's own."""
    get_scorer("accuracy")(tree, X_test, y_test)
    loss = -get_scorer("neg_log_loss")(tree, X_test, y_test)
    make_scorer(lambda y, p: 7.0)(tree, X_test, y_test)
    auc = get_scorer("roc_auc")(tree, X=X_test, y_true=y_test) if sklearn.__version__ >= "1.6" else None
    several = check_scoring(tree, scoring=["f1", "recall"]) if sklearn.__version__ >= "1.6" else None
    assert several is None or set(several(tree, X_test, y_test)) == {"f1", "recall"}
    found = after(recorder, recorder.run())
    assert found["log_loss_X_test"] == loss > 0
    assert found["_lambda__X_test"] == 7.0
    assert auc is None or found["roc_auc_score_X_test"] == auc
    assert several is None or {"f1_score_X_test", "recall_score_X_test"} <= set(found)
    scorer = "accuracy_score(estimator=tree, X=X_test, y_true=y_test)"
    assert told(recorder, recorder.run())["accuracy_score_X_test"] == scorer


def test_each_of_several_living_models_gets_its_own(recorder, quick):
    models = [DecisionTreeClassifier(max_depth=depth).fit(X_train, y_train) for depth in (1, 2, 3)]
    given = [model.predict(X_test) for model in models]
    scores = [accuracy_score(y_test, p) for p in reversed(given)]
    found = [after(recorder, run)["accuracy_score_X_test"] for run in recorder.runs()]
    assert found == scores[::-1]


def test_eight_threads_keep_their_models_apart(recorder, quick):
    """W-01: sessions and flags that belong to the process mix threads up."""

    def work(depth):
        model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(X_train, y_train)
        p = model.predict(X_test)
        return depth, [accuracy_score(y_test, p), model.score(X_test, y_test), f1_score(y_test, p)]

    with ThreadPoolExecutor(8) as pool:
        expected = dict(pool.map(work, range(1, 17)))
    for run in recorder.runs():
        depth = int(recorder.params(run)["max_depth"])
        assert list(after(recorder, run).values()) == expected[depth]


def test_a_prediction_goes_from_one_thread_to_another(recorder, tree):
    p = tree.predict(X_test)
    thread = threading.Thread(target=accuracy_score, args=(y_test, p))
    thread.start()
    thread.join()
    assert list(after(recorder, recorder.run())) == ["accuracy_score_X_test"]


def test_in_a_users_run_and_after_it(recorder, quick):
    with entered(Run.start("mine", by_user=True)):
        model = DecisionTreeClassifier(max_depth=2).fit(X_train, y_train)
        model.score(X_test, y_test)
    with entered(Run.start("another", by_user=True)):
        accuracy_score(y_test, model.predict(X_test))
    mine, another = recorder.runs()
    assert set(after(recorder, mine)) == {"DecisionTreeClassifier_score_X_test", "accuracy_score_X_test"}
    assert recorder.metrics(another) == {}


def test_a_model_that_is_fitted_again_is_another_model(recorder, quick):
    model = DecisionTreeClassifier(max_depth=1).fit(X_train, y_train)
    before = model.predict(X_test)
    model.set_params(max_depth=5).fit(X_train, y_train)
    now = model.predict(X_test)
    scores = accuracy_score(y_test, before), accuracy_score(y_test, now)
    with pytest.raises(ValueError, match="NaN"):
        SVC().fit(np.full_like(X_train, np.nan), y_train)
    runs = recorder.runs()[:2]
    assert tuple(after(recorder, run)["accuracy_score_X_test"] for run in runs) == scores
    assert scores[0] != scores[1]


def test_a_fit_that_fails_takes_the_model_from_its_run(recorder, quick):
    model = LogisticRegression(max_iter=5000).fit(X_train[:, :3], y_train)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.full_like(X_train, np.nan), y_train)
    model.score(X_test[:, :3], y_test)
    assert [after(recorder, run) for run in recorder.runs()] == [{}, {}]


def test_a_searchs_best_estimator_and_a_pipelines_last_step_are_models_of_the_run(recorder, quick):
    search = GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=2).fit(X_train, y_train)
    accuracy_score(y_test, search.best_estimator_.predict(X_test))
    search.score(X_test, y_test)
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
    f1_score(y_test, pipe.predict(X_test))
    f1_score(y_test, pipe[-1].predict(pipe[:-1].transform(X_test)))
    f1_score(y_test, pipe.predict_proba(X_test).argmax(axis=1))  # computed anew: nobody knows of what
    runs = [recorder.run("GridSearchCV"), recorder.run("Pipeline")]
    assert list(after(recorder, runs[0])) == ["accuracy_score_X_test", "GridSearchCV_score_X_test"]
    assert list(after(recorder, runs[1])) == ["f1_score_X_test", "f1_score_unknown_dataset"]


def test_clones_copies_and_pickles_belong_to_no_run(recorder, tree):
    """W-32, SK-22: nothing is put on the model or into its pickle."""
    assert not [name for name in vars(tree) if "run" in name or "scribe" in name]
    p = tree.predict(X_test)
    for model in (pickle.loads(pickle.dumps(tree)), copy.deepcopy(tree), copy.copy(tree)):
        assert model.score(X_test, y_test) > 0.8
        accuracy_score(y_test, model.predict(X_test))
    for same in (pickle.loads(pickle.dumps(p)), p.copy(), p.tolist(), p.astype(float)):
        accuracy_score(y_test, same)
    with pytest.raises(Exception, match="not fitted"):
        clone(tree).score(X_test, y_test)
    assert after(recorder, recorder.run()) == {}


def test_nothing_that_the_user_lets_go_of_is_kept_alive(recorder, quick):
    def in_a_function():
        model = DecisionTreeClassifier().fit(X_train[:, :4], y_train)
        X, y = X_test[:, :4].copy(), y_test.copy()
        p, proba = model.predict(X), model.predict_proba(X)
        accuracy_score(y, p)
        roc_auc_score(y, proba[:, 1])
        model.score(X, y)
        return [weakref.ref(each) for each in (model, X, y, p, proba)]

    refs = in_a_function()  # the background has done nothing yet
    gc.collect()
    alive = [name for name, each in zip(("model", "X", "y", "p", "proba"), refs, strict=True) if each() is not None]
    assert alive == []
    assert list(after(recorder, recorder.run())) == [
        "accuracy_score_X", "roc_auc_score_X", "DecisionTreeClassifier_score_X",
    ]  # fmt: skip


def test_memory_that_is_used_again_is_no_prediction(recorder, tree):
    """SK-21: MLflow goes by `id()`, and an array that was let go of leaves its id to the next."""
    hits = 0
    for _ in range(20):
        given = [tree.predict(X_test) for _ in range(50)]
        places = {id(p) for p in given}
        del given
        mine = [np.zeros(len(y_test), dtype=int) for _ in range(200)]
        hits += len(places & {id(each) for each in mine})
        for each in mine:
            accuracy_score(y_test, each)
        if hits:
            break
    assert hits
    assert after(recorder, recorder.run()) == {}
    assert not predictions.any_lives()


def test_a_helper_that_evaluates_tells_the_names_that_it_was_given(recorder, tree):
    def evaluate(model, X, y, *, how=accuracy_score):
        return how(y, model.predict(X))

    class Judge:
        def __init__(self, X):
            self.X_holdout = X

        def judge(self, model, X=None):
            return model.score(X, y_test), model.score(self.X_holdout[:50], y_test[:50])

        def own(self, model):
            return model.score(self.X_holdout, y_test)

    def scaled(model, X):
        X = X * 1.0
        return model.score(X, y_test)

    evaluate(tree, X_test, y_test)
    evaluate(tree, y=y_train, X=X_train)
    Judge(X_test).judge(tree, X=X_test)
    scaled(tree, X_test)
    found = set(after(recorder, recorder.run()))
    assert found >= {"accuracy_score_X_test", "accuracy_score_X_train", "DecisionTreeClassifier_score_X_test"}
    assert found >= {"DecisionTreeClassifier_score_unknown_dataset", "DecisionTreeClassifier_score_X"}
    Judge(X_test * 2).own(tree)
    assert "DecisionTreeClassifier_score_X_holdout" in after(recorder, recorder.run())


def test_without_a_source_the_dataset_is_unknown(recorder, tree):
    exec("accuracy_score(y_test, tree.predict(X_test))", globals() | {"tree": tree})
    accuracy_score(
        y_test,
        tree.predict(
            X_test[:, [*range(X_test.shape[1])]],
        ),
        normalize=False,
    )
    assert told(recorder, recorder.run()) == {
        "accuracy_score_unknown_dataset": "accuracy_score(y_true=<ndarray>, y_pred=<ndarray>)",
        "accuracy_score-2_unknown_dataset": "accuracy_score(y_true=y_test, y_pred=<ndarray>, normalize=False)",
    }


def test_what_a_metric_does_inside_is_told_once(recorder, tree):
    """SK-23: metrics inside metrics, fits, searches, validations."""
    f1_score(y_test, tree.predict(X_test))
    cross_val_score(tree, X_test, y_test, cv=2)
    GridSearchCV(tree, {"max_depth": [1]}, cv=2, scoring="f1").fit(X_train, y_train)
    RandomForestClassifier(50, oob_score=accuracy_score).fit(X_train, y_train)
    keys = [key for run in recorder.runs() for key in after(recorder, run)]
    assert keys == ["f1_score_X_test"]


def test_permutation_importance_leaves_no_junk(recorder, tree):
    """W-18: 21 metrics called `..._score-2_X_permuted`."""
    found = permutation_importance(tree, X_test, y_test, n_repeats=2, random_state=0)
    assert found.importances.shape == (30, 2)
    assert after(recorder, recorder.run()) == {}


def test_reports_tables_and_arrays(recorder, tree):
    p, proba = tree.predict(X_test), tree.predict_proba(X_test)
    report = classification_report(y_test, p, output_dict=True)
    text = classification_report(y_test, p)
    matrix = confusion_matrix(y_test, p)
    roc_curve(y_test, proba[:, 1])
    three = precision_recall_fscore_support(y_test, p, average="macro")
    sklearn.metrics.precision_recall_curve(np.tile(y_test, 20), np.tile(proba[:, 1], 20))
    run = recorder.run()
    found, files = after(recorder, run), recorder.artifacts(run)
    everything = recorder.metrics(run)
    assert everything["classification_report_X_test/macro avg/f1-score"] == report["macro avg"]["f1-score"]
    assert everything["classification_report_X_test/accuracy"] == report["accuracy"]
    assert files["evaluation/classification_report-2_X_test.txt"].decode() == text
    assert json.loads(files["evaluation/confusion_matrix_X_test.json"]) == matrix.tolist()
    assert json.loads(files["evaluation/precision_recall_fscore_support_X_test.json"]) == list(three)
    assert json.loads(files["evaluation/roc_curve_X_test.json"])[2][0] == "inf"
    assert found == {}


def test_evaluation_data_is_an_input_and_training_data_is_not_one_twice(recorder, tree):
    tree.score(X_test, y_test)
    accuracy_score(y_test, tree.predict(X_test))
    tree.score(X_train, y_train)
    assert [context for context, _ in inputs(recorder, recorder.run())] == ["train", "eval"]


def test_without_datasets_there_are_no_inputs(recorder, autolog):
    """W-19: `log_datasets=False` holds for all inputs."""
    autolog(log_models=False, log_datasets=False)
    DecisionTreeClassifier().fit(X_train, y_train).score(X_test, y_test)
    assert inputs(recorder, recorder.run()) == []
    assert list(after(recorder, recorder.run())) == ["DecisionTreeClassifier_score_X_test"]


def test_sparse_data_and_frames_are_no_other_than_arrays(recorder, quick):
    """W-43: a sparse X was made dense for its dataset."""
    many = sparse.random(500, 5000, density=1e-4, format="csr", random_state=0)
    y = np.arange(500) % 2
    model = SGDClassifier(random_state=0).fit(many, y)
    model.score(many, y)
    frame = pd.DataFrame(X_test[:, :2], columns=["a", "b"])
    labels = pd.Series(y_test)
    other = DecisionTreeClassifier(max_depth=1).fit(frame, labels)
    accuracy_score(labels, other.predict(frame))
    f1_score(labels, pd.Series(other.predict(frame), copy=False))
    f1_score(labels.to_numpy(), pd.DataFrame({"base": other.predict(frame)})["base"].copy())
    accuracy_score(labels.iloc[:50], other.predict(frame.iloc[:50]))
    one, two = recorder.runs()
    assert list(after(recorder, one)) == ["SGDClassifier_score_many"]
    found = ["accuracy_score_frame", "f1_score_frame", "accuracy_score_unknown_dataset"]
    assert list(after(recorder, two)) == found


def test_lists_are_known_by_their_name_and_length(recorder, tree):
    rows, labels = X_test.tolist(), y_test.tolist()
    accuracy_score(labels, tree.predict(rows))
    tree.score(rows, labels)
    tree.score(rows[:], labels)
    found = list(after(recorder, recorder.run()))
    assert found[:2] == ["accuracy_score_rows", "DecisionTreeClassifier_score_rows"]


def test_several_outputs_and_standard_deviations(recorder, quick):
    X, y = make_multilabel_classification(60, random_state=0)
    many = MultiOutputClassifier(LogisticRegression()).fit(X, y)
    roc_auc_score(y[:, 0], many.predict_proba(X)[0][:, 1])
    process = GaussianProcessRegressor().fit(X[:20], y[:20, 0])
    mean, _ = process.predict(X[20:40], return_std=True)
    mean_squared_error(y[20:40, 0], mean)
    one, two = recorder.runs()
    assert list(after(recorder, one)) == ["roc_auc_score_X"]
    assert list(after(recorder, two)) == ["mean_squared_error_unknown_dataset"]


def test_clusters_are_predictions_of_the_training_data(recorder, quick):
    X, y = load_iris(return_X_y=True)
    model = KMeans(3, n_init=1, random_state=0)
    labels = model.fit_predict(X)
    adjusted_rand_score(y, labels)
    silhouette_score(X, model.labels_)
    assert list(after(recorder, recorder.run())) == ["adjusted_rand_score_X", "silhouette_score_X"]


def test_a_model_that_learns_on_has_one_metric_with_steps(recorder, quick):
    model = SGDClassifier(random_state=0)
    for _ in range(4):
        model.partial_fit(X_train, y_train, classes=[0, 1])
        model.score(X_test, y_test)
        accuracy_score(y_test, model.predict(X_test))
    run = recorder.run()
    afterwards.drain(20)
    points = [(step, key) for key, step, _ in recorder.points(run)] if hasattr(recorder, "points") else None
    assert set(after(recorder, run)) == {"SGDClassifier_score_X_test", "accuracy_score_X_test"}
    assert points is None or (3, "accuracy_score_X_test") in points


def test_a_loop_that_evaluates_for_ever_ends_somewhere(recorder, tree):
    rng = np.random.default_rng(0)
    for _ in range(600):
        batch = X_test[rng.permutation(len(X_test))]
        tree.score(batch, y_test, rng.random(len(y_test)))
    run = recorder.run()
    assert len(after(recorder, run)) == 500
    assert recorder.tags(run)["fitscribe.metrics_after_fit"] == "only the first 500 are recorded"
    assert len([each for each in recorder.said if getattr(each, "path", "") == "metric_info.json"]) < 50


def test_predictions_in_a_loop_write_nothing(recorder, tree):
    """W-42, W-46: each `predict` described its data, and told the server of it."""
    afterwards.drain(20)
    before = len(recorder.said)
    for start in range(0, 140, 2):
        tree.predict(X_test[start : start + 2])
    afterwards.drain(20)
    assert len(recorder.said) == before


def test_the_option_off_records_nothing(recorder, autolog):
    autolog(log_models=False, log_post_training_metrics=False)
    model = DecisionTreeClassifier().fit(X_train, y_train)
    accuracy_score(y_test, model.predict(X_test))
    get_scorer("f1")(model, X_test, y_test)
    model.score(X_test, y_test)
    assert after(recorder, recorder.run()) == {}


def test_metric_functions_stay_the_same_objects_and_travel(recorder, quick):
    """SK-21: a metric that was imported before autologging is the one that is watched."""
    assert {name: getattr(sklearn.metrics, name) for name in sklearn.metrics.__all__} == UNPATCHED
    assert pickle.loads(pickle.dumps(accuracy_score)) is accuracy_score is sklearn.metrics.accuracy_score
    scorer = get_scorer("f1")
    assert pickle.loads(pickle.dumps(scorer))._score_func is scorer._score_func is f1_score
    assert b"fitscribe" not in pickle.dumps([accuracy_score, scorer, r2_score])


def test_errors_and_results_are_the_users_own(recorder, tree):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        accuracy_score(y_test[:5], tree.predict(X_test))
    with pytest.raises(TypeError, match="y_pred"):
        accuracy_score(y_test)
    with pytest.raises(ValueError, match="features"):
        tree.predict(X_test[:, :2])
    with pytest.raises(TypeError, match="X"):
        tree.predict()
    assert after(recorder, recorder.run()) == {}


@pytest.mark.swallows  # what such a model says of its training data
def test_odd_models_are_left_alone(recorder, quick):
    class Slots:
        __slots__ = ("c",)

        def predict(self, X):
            return np.zeros(len(X))

    class Strange(ClassifierMixin, BaseEstimator):
        def __getattribute__(self, name):
            if name == "__dict__":
                raise RuntimeError("not yours")
            return object.__getattribute__(self, name)

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict(self, X):
            return [0] * len(X)

        def score(self, X, y):
            return {"not": "a number", "but": [1]}

        def __eq__(self, other):
            raise RuntimeError("not comparable")

        __hash__ = None

    model = Strange().fit(X_train, y_train)
    accuracy_score(y_test, model.predict(X_test))
    assert model.score(X_test, y_test) == {"not": "a number", "but": [1]}
    mean_squared_error(y_test, Slots().predict(X_test))
    assert after(recorder, recorder.run()) == {}


def test_every_patched_name_is_put_back():
    before = names()
    fitscribe.sklearn.autolog(log_models=False)
    changed = {name for name, each in names().items() if before.get(name) is not each}
    assert {"sklearn.linear_model._base.LinearClassifierMixin.predict", "sklearn.base.RegressorMixin.score"} <= changed
    assert "sklearn.pipeline.Pipeline.predict.fn" in changed
    assert "accuracy_score.func" in changed
    fitscribe.sklearn.autolog(disable=True)
    assert names() == before


def names() -> dict[str, object]:
    """All that a family of estimators, its mixins and the metrics are made of."""
    found: dict[str, object] = {}
    for cls in {place for each in family_of(BaseEstimator) for place in each.__mro__ if place is not object}:
        for name, each in vars(cls).items():
            if cls.__module__.startswith("sklearn"):
                found[f"{cls.__module__}.{cls.__qualname__}.{name}"] = each
                if hasattr(each, "fn"):
                    found[f"{cls.__module__}.{cls.__qualname__}.{name}.fn"] = each.fn
    for name, each in UNPATCHED.items():
        for variable, cell in zip(*cells(each), strict=False):
            found[f"{name}.{variable}"] = cell.cell_contents
    return found


def cells(function) -> tuple[tuple[str, ...], tuple]:
    code = getattr(function, "__code__", None)
    return (code.co_freevars, function.__closure__ or ()) if code else ((), ())


def test_a_real_server_has_it_though_the_run_was_over(mlflow_server, tmp_path):
    """After the end of the run and after everything was delivered; the run stays finished."""
    script = """
        import json, sys, time
        import numpy as np
        import fitscribe
        from sklearn.linear_model import LinearRegression
        from sklearn.metrics import mean_squared_error
        fitscribe.set_tracking_uri(sys.argv[1])
        fitscribe.set_experiment("after the fit")
        fitscribe.sklearn.autolog(log_models=False)
        X = np.random.default_rng(0).normal(size=(50, 2)); y = X.sum(1)
        X_new = X + 1
        model = LinearRegression().fit(X, y)
        fitscribe.flush()
        time.sleep(0.5)
        error = mean_squared_error(y, model.predict(X_new))
        [run] = fitscribe.search_runs(output_format="list")
        found = [[each.value for each in one.tags] for one in run.inputs.dataset_inputs]
        info = fitscribe.artifacts.load_text(f"runs:/{run.info.run_id}/metric_info.json")
        print(json.dumps([error, run.data.metrics, found, info, run.info.status]))
    """
    where = [sys.executable, "-c", textwrap.dedent(script), mlflow_server]
    done = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    error, metrics, contexts, info, status = json.loads(done.stdout.splitlines()[-1])
    key = "mean_squared_error_unknown_dataset" if sys.version_info < (3, 13) else "mean_squared_error_X_new"
    assert metrics[key] == error  # a script that is given by -c has no source before Python 3.13
    assert sorted(contexts) == [["eval"], ["train"]]
    assert list(json.loads(info)) == [key]
    assert status == "FINISHED"


def test_regressors_too(recorder, quick):
    model = DecisionTreeRegressor(max_depth=2).fit(X_train, y_train.astype(float))
    wanted = r2_score(y_test, model.predict(X_test))
    assert after(recorder, recorder.run()) == {"r2_score_X_test": wanted}
    assert model.score(X_test, y_test) == wanted
