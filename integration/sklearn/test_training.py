"""What a user of scikit-learn finds recorded after a fit, and that the fit was left alone."""

from __future__ import annotations

import json
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.covariance import EllipticEnvelope
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.feature_selection import RFE, RFECV, SequentialFeatureSelector
from sklearn.inspection import permutation_importance
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import fitscribe
from fitscribe.current import entered
from fitscribe.records import DatasetUsed, Drawing
from fitscribe.run import Run

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


def test_a_classifier_has_params_metrics_tags_plots_and_model(recorder, autolog):
    X, y = CANCER
    model = LogisticRegression(C=0.5, max_iter=5000).fit(X, y)
    run = recorder.run("LogisticRegression")
    assert recorder.params(run) == {name: str(value) for name, value in model.get_params().items()}
    predicted, proba = model.predict(X), model.predict_proba(X)
    expected = {
        "training_precision_score": metrics.precision_score(y, predicted, average="weighted"),
        "training_recall_score": metrics.recall_score(y, predicted, average="weighted"),
        "training_f1_score": metrics.f1_score(y, predicted, average="weighted"),
        "training_accuracy_score": metrics.accuracy_score(y, predicted),
        "training_log_loss": metrics.log_loss(y, proba),
        "training_roc_auc": metrics.roc_auc_score(y, proba[:, 1], average="weighted", multi_class="ovo"),
        "training_score": model.score(X, y),
    }
    found = recorder.metrics(run)
    assert {name: found[name] for name in expected} == expected
    assert found["fit_time"] > 0
    assert recorder.tags(run) == {
        "mlflow.autologging": "sklearn",
        "estimator_name": "LogisticRegression",
        "estimator_class": "sklearn.linear_model._logistic.LogisticRegression",
    }
    charts = {each.path for each in recorder.said if isinstance(each, Drawing)}
    assert charts == {
        "training_confusion_matrix.png", "training_roc_curve.png", "training_precision_recall_curve.png",
    }  # fmt: skip
    files = recorder.artifacts(run)
    assert {"estimator.html", "model/MLmodel", "model/model.pkl", "model/requirements.txt"} <= set(files)
    assert (pickle.loads(files["model/model.pkl"]).predict(X) == predicted).all()
    assert recorder.status(run) == "FINISHED"


def test_three_classes_have_no_curves_but_all_metrics(recorder, autolog):
    X, y = IRIS
    model = LogisticRegression(max_iter=1000).fit(X, y)
    found = recorder.metrics(recorder.run())
    proba = model.predict_proba(X)
    assert found["training_roc_auc"] == metrics.roc_auc_score(y, proba, average="weighted", multi_class="ovo")
    assert [each.path for each in recorder.said if isinstance(each, Drawing)] == ["training_confusion_matrix.png"]


def test_a_classifier_without_probabilities_has_the_others(recorder, autolog):
    X, y = CANCER
    SVC().fit(X, y)
    found = recorder.metrics(recorder.run())
    assert "training_log_loss" not in found
    assert "training_accuracy_score" in found
    assert "training_roc_curve.png" in {each.path for each in recorder.said if isinstance(each, Drawing)}


def test_a_regressor_has_its_metrics(recorder, autolog):
    X, y = DIABETES
    model = ElasticNet(alpha=0.1).fit(X, y)
    predicted = model.predict(X)
    found = recorder.metrics(recorder.run())
    expected = {
        "training_mean_squared_error": metrics.mean_squared_error(y, predicted),
        "training_mean_absolute_error": metrics.mean_absolute_error(y, predicted),
        "training_r2_score": metrics.r2_score(y, predicted),
        "training_root_mean_squared_error": metrics.mean_squared_error(y, predicted) ** 0.5,
        "training_score": model.score(X, y),
    }
    assert {name: found[name] for name in expected} == expected


def test_sample_weights_by_place_or_name_weigh_the_metrics(recorder, autolog):
    X, y = IRIS
    weight = np.linspace(0.1, 2, len(y))
    model = DecisionTreeClassifier(max_depth=1, random_state=0)
    model.fit(X, y, weight)
    model.fit(X, y, sample_weight=weight)
    expected = metrics.accuracy_score(y, model.predict(X), sample_weight=weight)
    values = [recorder.metrics(run)["training_accuracy_score"] for run in recorder.runs()]
    assert values == [expected, expected]
    assert all("sample_weight" not in recorder.params(run) for run in recorder.runs())


def test_pos_label_asks_for_binary_averages(recorder, autolog):
    autolog(pos_label=1)
    X, y = CANCER
    model = LogisticRegression(max_iter=5000).fit(X, y)
    assert recorder.metrics(recorder.run())["training_f1_score"] == metrics.f1_score(y, model.predict(X), pos_label=1)


def test_a_clusterer_has_its_numbers_and_its_score(recorder, autolog):
    X = IRIS[0]
    model = KMeans(3, n_init=1, random_state=0)
    labels = model.fit_predict(X)
    found = recorder.metrics(recorder.run("KMeans"))
    assert found["inertia_"] == model.inertia_
    assert found["n_iter_"] == model.n_iter_
    assert found["training_score"] == model.score(X)
    assert (labels == model.labels_).all()


def test_transformers_of_models_are_recorded_and_those_of_data_are_not(recorder, autolog):
    X = IRIS[0]
    StandardScaler().fit_transform(X)
    ColumnTransformer([("scale", StandardScaler(), [0, 1])]).fit(X)
    PCA(2).fit_transform(X)
    assert [run.name for run in recorder.runs()] == ["PCA"]


def test_what_a_sampler_fits_for_itself_makes_no_run(recorder, autolog):
    """imbalanced-learn's `SMOTE().fit_resample(X, y)` left a run `NearestNeighbors`."""

    class Sampler(BaseEstimator):
        def fit_resample(self, X, y):
            NearestNeighbors().fit(X)
            return X, y

    Sampler().fit_resample(*IRIS)
    assert recorder.runs() == []
    NearestNeighbors().fit(IRIS[0])
    assert [run.name for run in recorder.runs()] == ["NearestNeighbors"]


def test_the_users_run_goes_to_the_model_and_not_to_the_scaler(recorder, autolog):
    X, y = IRIS
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        LogisticRegression(max_iter=1000).fit(StandardScaler().fit_transform(X), y)
    mine.end()
    assert recorder.params(recorder.run("mine"))["max_iter"] == "1000"


def test_several_outputs_each_have_their_metrics(recorder, autolog):
    """MLflow logs nearly nothing of them, and seven warnings."""
    X, y = make_multilabel_classification(n_samples=60, n_classes=3, random_state=0)
    model = MultiOutputClassifier(LogisticRegression(max_iter=1000)).fit(X, y)
    found = recorder.metrics(recorder.run("MultiOutputClassifier"))
    predicted = model.predict(X)
    for number in range(3):
        expected = metrics.accuracy_score(y[:, number], predicted[:, number])
        assert found[f"training_accuracy_score_output_{number}"] == expected
    assert found["training_score"] == model.score(X, y)


def test_a_pipeline_is_one_run_with_the_params_of_its_steps(recorder, autolog):
    X, y = IRIS
    make_pipeline(StandardScaler(), LogisticRegression(C=3.0, max_iter=1000)).fit(X, y)
    params = recorder.params(recorder.run("Pipeline"))
    assert params["logisticregression__C"] == "3.0"
    assert params["logisticregression"] == "LogisticRegression(C=3.0, max_iter=1000)"
    assert params["standardscaler__with_mean"] == "True"


@pytest.mark.parametrize(
    ("make", "method", "name"),
    [
        (lambda: make_pipeline(StandardScaler(), PCA(2)), "fit_transform", "Pipeline"),
        (lambda: make_pipeline(StandardScaler(), KMeans(2, n_init=1)), "fit_predict", "Pipeline"),
        (lambda: FeatureUnion([("a", PCA(1)), ("b", PCA(2))]), "fit_transform", "FeatureUnion"),
        (lambda: FeatureUnion([("a", PCA(1)), ("b", PCA(2))]), "fit", "FeatureUnion"),
        (LocalOutlierFactor, "fit_predict", "LocalOutlierFactor"),
    ],
)
def test_conditional_methods_are_one_run_too(recorder, autolog, make, method, name):
    getattr(make(), method)(IRIS[0])
    assert [run.name for run in recorder.runs()] == [name]


@pytest.mark.parametrize("jobs", [1, 2])
def test_meta_estimators_are_one_run_of_their_own(recorder, autolog, jobs):
    """MLflow makes 3 runs of an RFE, 14 of an RFECV and of a SequentialFeatureSelector, none of them theirs."""
    X, y = IRIS
    autolog(log_models=False)
    inner = LogisticRegression(max_iter=500)
    RFE(inner, n_features_to_select=2).fit(X, y)
    RFECV(inner, cv=2, n_jobs=jobs).fit(X, y)
    SequentialFeatureSelector(inner, n_features_to_select=1, cv=2, n_jobs=jobs).fit(X, y)
    BaggingClassifier(inner, n_estimators=3, n_jobs=jobs).fit(X, y)
    assert [run.name for run in recorder.runs()] == ["RFE", "RFECV", "SequentialFeatureSelector", "BaggingClassifier"]


def test_validation_makes_no_stray_runs_on_any_backend(recorder, autolog):
    import joblib

    X, y = IRIS
    for backend in ("sequential", "threading", "loky"):
        with joblib.parallel_backend(backend, n_jobs=1 if backend == "sequential" else 2):
            cross_val_score(LogisticRegression(max_iter=500), X, y, cv=3)
            permutation_importance(SVC_FITTED, X, y, n_repeats=2)
    assert [run.name for run in recorder.runs()] == ["cross_val_score(LogisticRegression)"] * 3


SVC_FITTED = SVC().fit(*IRIS)


def test_a_failing_fit_is_a_failed_run_with_the_users_own_exception(recorder, autolog):
    X = np.array([[np.nan, 1.0], [2.0, 3.0]])
    with pytest.raises(ValueError, match="NaN") as with_us:
        LinearRegression().fit(X, [1, 2])
    run = recorder.run()
    assert recorder.status(run) == "FAILED"
    assert recorder.params(run)["fit_intercept"] == "True"
    assert with_us.value.__context__ is None


def test_params_that_scikit_learn_refuses_are_a_failed_run_too(recorder, autolog):
    with pytest.raises(ValueError, match="The 'C' parameter"):
        LogisticRegression(C=-1).fit(*IRIS)
    run = recorder.run()
    assert recorder.status(run) == "FAILED"
    assert recorder.params(run)["C"] == "-1"


def test_a_model_that_cannot_be_pickled_loses_its_artifact_and_nothing_else(recorder, autolog):
    """MLflow marks the run as failed and drops metrics, plots and HTML."""
    X, y = CANCER
    lock = threading.Lock()
    model = make_pipeline(FunctionTransformer(Locked(lock)), LogisticRegression(max_iter=5000))
    model.fit(X, y)
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert "training_accuracy_score" in recorder.metrics(run)
    assert set(recorder.artifacts(run)) == {"coefficients.csv", "estimator.html"}
    assert "cannot be pickled" in recorder.tags(run)["fitscribe.model"]


class Locked:
    def __init__(self, lock):
        self.lock = lock

    def __call__(self, X):
        return X


def test_a_skops_file_is_written_on_request(recorder, autolog):
    autolog(serialization_format="skops")
    LogisticRegression(max_iter=500).fit(*IRIS)
    assert "model/model.skops" in recorder.artifacts(recorder.run())


def test_a_model_that_skops_does_not_know_loses_only_itself(recorder, autolog):
    autolog(serialization_format="skops")
    model = make_pipeline(FunctionTransformer(Locked(None)), DecisionTreeClassifier())
    model.fit(*IRIS)
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert "training_score" in recorder.metrics(run)


class Mine(ClassifierMixin, BaseEstimator):
    """A user's own estimator, without any of scikit-learn's decorators."""

    def __init__(self, answer=1):
        self.answer = answer

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.answer)


def test_a_users_own_estimator_is_recorded(recorder, autolog):
    """MLflow knows only the classes that scikit-learn lists."""
    X, y = IRIS

    class Later(Mine):
        def fit(self, X, y):
            return super().fit(X, y)

    Mine(2).fit(X, y)
    Later(0).fit(X, y)
    first, second = recorder.runs()
    assert (first.name, second.name) == ("Mine", "Later")
    assert recorder.params(first) == {"answer": "2"}
    assert recorder.metrics(second)["training_accuracy_score"] == pytest.approx(1 / 3)


@pytest.mark.swallows
def test_an_estimator_whose_params_raise_still_fits(recorder, autolog):
    class Odd(Mine):
        def get_params(self, deep=True):
            raise RuntimeError("no params today")

        def fit(self, X, y):
            return super().fit(X, y)

    assert isinstance(Odd().fit(*IRIS), Odd)
    assert recorder.status(recorder.run()) == "FINISHED"


def test_eight_fits_in_four_threads_are_eight_whole_runs(recorder, autolog):
    """MLflow makes four runs of them, three of them empty."""
    autolog(log_models=False)
    X, y = IRIS
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda C: LogisticRegression(C=C, max_iter=500).fit(X, y), range(1, 9)))
    runs = recorder.runs()
    assert sorted(recorder.params(run)["C"] for run in runs) == [str(C) for C in range(1, 9)]
    assert all("training_score" in recorder.metrics(run) for run in runs)


def test_nothing_is_left_on_the_users_model(recorder, autolog):
    """MLflow's run id ends up in the user's pickles."""
    X, y = IRIS
    with fitscribe.unwatched():
        plain = LogisticRegression(max_iter=500).fit(X, y)
    model = LogisticRegression(max_iter=500).fit(X, y)
    assert vars(model).keys() == vars(plain).keys()
    assert pickle.dumps(model) == pickle.dumps(plain)
    assert clone(model).get_params() == plain.get_params()


def test_watched_classes_and_bound_methods_go_through_pickle(recorder, autolog):
    model = LogisticRegression()
    for dumps in (pickle.dumps, cloudpickle.dumps):
        assert pickle.loads(dumps(model.fit)).__func__ is LogisticRegression.fit
        assert pickle.loads(dumps(LogisticRegression)) is LogisticRegression


def test_a_clean_fit_gives_no_warning(recorder, autolog):
    """MLflow's own log_loss call warns at every classifier fit, even when told to be silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegression(max_iter=5000).fit(*CANCER)
        assert "training_log_loss" in recorder.metrics(recorder.run())


def test_the_users_data_is_left_alone(recorder, autolog):
    autolog(log_input_examples=True)
    X = pd.DataFrame(IRIS[0], columns=list("abcd"))
    before = X.copy(deep=True)
    LogisticRegression(max_iter=500).fit(X, IRIS[1])
    pd.testing.assert_frame_equal(X, before)
    files = recorder.artifacts(recorder.run())
    example = json.loads(files["model/input_example.json"])
    assert example == {"columns": list("abcd"), "data": before[:5].values.tolist()}
    assert b'"name": "a"' in files["model/MLmodel"]


def test_a_sparse_matrix_is_not_made_dense(recorder, autolog):
    """MLflow needs 1.8 GB more for this one."""
    X = sparse.random(5000, 40000, density=1e-4, format="csr", random_state=0)
    y = np.arange(5000) % 2
    import tracemalloc

    tracemalloc.start()
    LogisticRegression(solver="liblinear", max_iter=5).fit(X, y)
    recorder.runs()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6
    [dataset] = [each for each in recorder.said if isinstance(each, DatasetUsed)]
    assert dataset.context == "train"
    assert "5000, 40000" in dataset.profile.replace("[", "").replace("]", "")


def test_datasets_are_left_out_on_request(recorder, autolog):
    autolog(log_datasets=False)
    LogisticRegression(max_iter=500).fit(*IRIS)
    assert not [each for each in recorder.said if isinstance(each, DatasetUsed)]


def test_lists_are_data_too(recorder, autolog):
    LinearRegression().fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0])
    run = recorder.run()
    assert recorder.metrics(run)["training_r2_score"] == 1.0
    assert len([each for each in recorder.said if isinstance(each, DatasetUsed)]) == 1


def test_a_forest_of_many_trees_is_one_run_and_no_tree_is_recorded(recorder, autolog):
    autolog(log_models=False)
    RandomForestClassifier(n_estimators=30, n_jobs=2, random_state=0).fit(*IRIS)
    assert [run.name for run in recorder.runs()] == ["RandomForestClassifier"]


def test_a_pipeline_inside_a_fit_of_a_thread_pool_of_the_user(recorder, autolog):
    """The user's own joblib tasks are trainings of their own: each is a run."""
    from joblib import Parallel, delayed

    autolog(log_models=False)
    X, y = IRIS
    Parallel(n_jobs=2, backend="threading")(
        delayed(Pipeline([("m", LogisticRegression(C=C, max_iter=500))]).fit)(X, y) for C in (1, 2)
    )
    assert sorted(recorder.params(run)["m__C"] for run in recorder.runs()) == ["1", "2"]


def test_a_baseline_without_a_seed_leaves_the_users_random_numbers_alone(recorder, autolog):
    """Asking a `DummyClassifier` draws numbers: every split and forest after it came out differently."""
    draws = []
    for watched in (fitscribe.unwatched(), nullcontext()):
        np.random.seed(0)
        mine = np.random.RandomState(0)
        with watched:
            DummyClassifier(strategy="stratified").fit(*IRIS)
            DummyClassifier(strategy="uniform", random_state=mine).fit(*IRIS)
            make_pipeline(StandardScaler(), DummyClassifier(strategy="uniform", random_state=mine)).fit(*IRIS)
        draws.append((np.random.random(), mine.random()))
    assert draws[0] == draws[1]
    assert all("training_accuracy_score" in recorder.metrics(run) for run in recorder.runs())


def test_one_row_or_one_class_gives_no_warning_of_ours(recorder, autolog):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearRegression().fit([[1.0]], [1.0])
        DecisionTreeClassifier().fit(IRIS[0], np.zeros(150))
        row, one = map(recorder.metrics, recorder.runs())
    assert row["training_mean_squared_error"] == 0
    assert "training_r2_score" not in row
    assert one["training_accuracy_score"] == 1


def test_unlabelled_rows_do_not_count(recorder, autolog):
    X, y = IRIS
    hidden = y.copy()
    hidden[::2] = -1
    LabelSpreading().fit(X, hidden)
    model = SelfTrainingClassifier(LogisticRegression(max_iter=500)).fit(X, hidden)
    first, second = map(recorder.metrics, recorder.runs())
    assert first["training_roc_auc"] > 0.9
    assert second["training_accuracy_score"] == metrics.accuracy_score(y[1::2], model.predict(X[1::2]))


def test_sparse_labels_of_several_outputs_have_metrics(recorder, autolog):
    X, y = make_multilabel_classification(n_samples=60, n_classes=3, random_state=0)
    model = OneVsRestClassifier(LogisticRegression(max_iter=1000)).fit(X, sparse.csr_matrix(y))
    found = recorder.metrics(recorder.run())
    predicted = model.predict(X).toarray()
    assert found["training_accuracy_score_output_2"] == metrics.accuracy_score(y[:, 2], predicted[:, 2])


def test_several_outputs_may_be_one(recorder, autolog):
    X, y = CANCER
    model = MultiOutputClassifier(LogisticRegression(max_iter=5000)).fit(X, y[:, None])
    found = recorder.metrics(recorder.run())
    assert found["training_log_loss"] == metrics.log_loss(y, model.predict_proba(X)[0])
    assert "training_roc_curve.png" in {each.path for each in recorder.said if isinstance(each, Drawing)}


def test_one_weight_for_all_rows_is_a_weight(recorder, autolog):
    X, y = DIABETES
    model = LinearRegression().fit(X, y, 2.0)
    assert recorder.metrics(recorder.run())["training_r2_score"] == model.score(X, y)


def test_an_iterator_is_the_users_to_consume(recorder, autolog):
    class Sips(Mine):
        def fit(self, X, y):
            self.first_ = next(X)
            return super().fit(X, y)

    rows = iter([[1.0], [2.0], [3.0]])
    Sips().fit(rows, [0, 1])
    assert recorder.status(recorder.run()) == "FINISHED"
    assert list(rows) == [[2.0], [3.0]]


def test_an_outlier_detectors_own_score_is_not_asked_for_without_labels(recorder, autolog):
    EllipticEnvelope(random_state=0).fit_predict(IRIS[0])
    assert recorder.status(recorder.run()) == "FINISHED"


def test_a_fit_does_not_wait_for_the_text_of_its_steps(recorder, autolog):
    """An ordinary pipeline with a `ColumnTransformer` in it waited 10 ms, one of eight levels 700."""
    wrote = set()

    class Loud(Mine):
        def __repr__(self):
            wrote.add(threading.current_thread().name)
            return "Loud()"

    Pipeline([("a", Pipeline([("b", Loud())]))]).fit(*IRIS)
    params = recorder.params(recorder.run())
    assert params["a"] == "Pipeline(steps=[('b', Loud())])"
    assert params["a__b"] == "Loud()"
    assert params["a__b__answer"] == "1"
    assert wrote == {"fitscribe afterwards"}


def test_of_pipelines_in_pipelines_in_pipelines_the_outer_ones_are_named(recorder, autolog):
    """scikit-learn's text of an estimator takes twice as long with each level."""
    model = LogisticRegression(max_iter=500)
    for _ in range(7):
        model = Pipeline([("s", model)])
    model.fit(*IRIS)
    params = recorder.params(recorder.run())
    assert params["s"] == "Pipeline(...)"
    assert params["s__s__s__s__s__s"] == "Pipeline(steps=[('s', LogisticRegression(max_iter=500))])"
    assert params["s__s__s__s__s__s__s__max_iter"] == "500"
    assert "estimator.html" not in recorder.artifacts(recorder.run())


def test_a_failed_pipeline_has_the_text_of_its_steps_as_they_were_before_the_fit(recorder, autolog):
    class Forgets(Mine):
        def fit(self, X, y):
            self.answer = 5
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Pipeline([("m", Forgets(3))]).fit(*IRIS)
    run = recorder.run()
    assert recorder.params(run)["m"] == "Forgets(answer=3)"
    assert recorder.status(run) == "FAILED"


def test_a_frame_of_very_many_columns_is_not_told_column_by_column(recorder, autolog):
    X = pd.DataFrame(np.zeros((4, 2001)))
    X.columns = X.columns.map(str)
    LinearRegression().fit(X, [1, 2, 3, 4])
    run = recorder.run()
    assert recorder.tags(run)["fitscribe.schema"] == "left out: 2001 columns"
    [dataset] = [each for each in recorder.said if isinstance(each, DatasetUsed)]
    assert dataset.schema == ""
    assert json.loads(dataset.profile)["num_elements"] == 8004
    assert b"\nsignature:" not in recorder.artifacts(run)["model/MLmodel"]
