"""What a user finds of an estimator's iterations, of the path of one that chooses its own param, and of convergence."""

from __future__ import annotations

import csv
import io
import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.covariance import GraphicalLassoCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import RFECV
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNetCV,
    LarsCV,
    Lasso,
    LassoCV,
    LassoLarsCV,
    LogisticRegression,
    LogisticRegressionCV,
    MultiTaskLassoCV,
    OrthogonalMatchingPursuitCV,
    RidgeCV,
    SGDClassifier,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fitscribe.records import Drawing

X, y = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def light(autolog):
    autolog(log_models=False)
    return autolog


def curve(values):
    return [(step, float(value)) for step, value in enumerate(values)]


def path(recorder, run):
    return list(csv.DictReader(io.StringIO(recorder.artifacts(run)["cv_path.csv"].decode())))


def test_a_network_has_its_loss_epoch_by_epoch(recorder, light):
    model = MLPClassifier((4,), max_iter=30, early_stopping=True, random_state=0).fit(X, y)
    run = recorder.run()
    assert recorder.history(run, "loss_curve") == curve(model.loss_curve_)
    assert recorder.history(run, "validation_scores") == curve(model.validation_scores_)


def test_boosting_has_its_scores_stage_by_stage(recorder, light):
    model = GradientBoostingClassifier(n_estimators=12, subsample=0.5, random_state=0).fit(X, y)
    run = recorder.run()
    for name in ("train_score", "oob_scores", "oob_improvement"):
        assert recorder.history(run, name) == curve(getattr(model, f"{name}_"))
    hist = HistGradientBoostingClassifier(max_iter=8, early_stopping=True, random_state=0).fit(*CANCER)
    run = recorder.run("HistGradientBoostingClassifier")
    assert recorder.history(run, "train_score") == curve(hist.train_score_)
    assert recorder.history(run, "validation_score") == curve(hist.validation_score_)
    assert "fitscribe.converged" not in recorder.tags(run)


@pytest.mark.filterwarnings("ignore:The SAMME.R algorithm:FutureWarning")  # scikit-learn 1.5
def test_other_estimators_with_steps_have_theirs(recorder, light):
    ada = AdaBoostClassifier(n_estimators=7, random_state=0).fit(X, y)
    assert recorder.history(recorder.run("AdaBoostClassifier"), "estimator_errors") == curve(ada.estimator_errors_)
    bayes = BayesianRidge(compute_score=True).fit(*DIABETES)
    assert recorder.history(recorder.run("BayesianRidge"), "scores") == curve(bayes.scores_)


@pytest.mark.parametrize("wrap", ["pipeline", "search", "search of a pipeline"])
def test_the_curve_is_that_of_the_model_inside(recorder, light, wrap):
    model = make_pipeline(StandardScaler(), MLPClassifier((3,), max_iter=9, random_state=0))
    if wrap == "search":
        model = GridSearchCV(model[-1], {"alpha": [0.1, 0.2]}, cv=2)
    if wrap == "search of a pipeline":
        model = GridSearchCV(model, {"mlpclassifier__alpha": [0.1, 0.2]}, cv=2)
    model.fit(X, y)
    inner = getattr(model, "best_estimator_", model)
    inner = inner[-1] if hasattr(inner, "steps") else inner
    run = next(run for run in recorder.runs() if not run.parent)
    assert recorder.history(run, "loss_curve") == curve(inner.loss_curve_)
    assert recorder.metrics(run)["n_iter_"] == 9
    assert recorder.tags(run)["fitscribe.converged"] == "false"


def test_a_very_long_curve_is_thinned_but_keeps_its_ends(recorder, light):
    rng = np.random.RandomState(0)
    model = MLPClassifier((2,), max_iter=5000, tol=0, n_iter_no_change=6000, random_state=0)
    model.fit(rng.rand(8, 2), [0, 1] * 4)
    found = recorder.history(recorder.run(), "loss_curve")
    assert len(found) == 2000
    assert (found[0], found[-1]) == ((0, model.loss_curve_[0]), (4999, model.loss_curve_[-1]))


def test_iterations_of_each_class_are_told_as_the_most_of_them(recorder, light):
    model = LogisticRegression(max_iter=1000).fit(X, y)
    run = recorder.run()
    assert recorder.metrics(run)["n_iter_"] == model.n_iter_.max()
    assert "fitscribe.converged" not in recorder.tags(run)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=2),
        SGDClassifier(max_iter=2, random_state=0),
        Lasso(alpha=0.001, max_iter=1),
        GaussianMixture(3, max_iter=1, tol=1e-12, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_fit_that_ran_out_of_iterations_is_tagged(recorder, light, model):
    model.fit(X, y)
    assert recorder.tags(recorder.run())["fitscribe.converged"] == "false"


def test_the_users_warnings_are_the_same(recorder, light):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        LogisticRegression(max_iter=2).fit(X, y)
    assert [each.category for each in seen] == [ConvergenceWarning]


@pytest.mark.parametrize(
    "model", [GradientBoostingRegressor(n_estimators=5), HistGradientBoostingClassifier(max_iter=4)]
)
def test_staged_metrics_are_there_when_asked_for(recorder, autolog, model):
    autolog(log_models=False, log_staged_metrics=True)
    data = DIABETES if isinstance(model, GradientBoostingRegressor) else CANCER
    model.fit(*data)
    run = recorder.run()
    name, function = ("r2_score", r2_score) if data is DIABETES else ("accuracy_score", accuracy_score)
    expected = curve(function(data[1], predicted) for predicted in model.staged_predict(data[0]))
    assert recorder.history(run, f"staged_training_{name}") == expected
    autolog(log_staged_metrics=False)


@pytest.mark.filterwarnings("ignore:The SAMME.R algorithm:FutureWarning")  # scikit-learn 1.5
def test_staged_metrics_of_a_pipelines_last_step_are_asked_with_its_own_data(recorder, autolog):
    autolog(log_models=False, log_staged_metrics=True)
    model = make_pipeline(StandardScaler(), AdaBoostClassifier(n_estimators=4, random_state=0)).fit(X, y)
    staged = model[-1].staged_predict(model[0].transform(X))
    expected = curve(accuracy_score(y, predicted) for predicted in staged)
    assert recorder.history(recorder.run(), "staged_training_accuracy_score") == expected
    autolog(log_staged_metrics=False)


def test_a_warm_start_names_the_fit_before_and_keeps_its_own_curve(recorder, light):
    model = MLPClassifier((3,), max_iter=5, warm_start=True, random_state=0)
    model.fit(X, y)
    first = list(model.loss_curve_)
    model.fit(X, y)
    one, other = recorder.runs()
    assert recorder.history(one, "loss_curve") == curve(first)
    assert recorder.history(other, "loss_curve") == curve(model.loss_curve_)
    assert "fitscribe.warm_start" not in recorder.tags(one)
    assert recorder.tags(other)["fitscribe.warm_start"] == one.run
    clone(model).fit(X, y)
    assert "fitscribe.warm_start" not in recorder.tags(recorder.runs()[-1])


def test_a_lasso_path_is_a_table_a_curve_and_a_chart(recorder, light):
    model = LassoCV(alphas=[0.001, 0.01, 0.1, 1.0], cv=3).fit(*DIABETES)
    run = recorder.run()
    rows = path(recorder, run)
    assert [float(row["alpha"]) for row in rows] == list(model.alphas_)
    assert [[float(row[f"split{split}_mse"]) for split in range(3)] for row in rows] == model.mse_path_.tolist()
    assert recorder.history(run, "cv_path_mean_mse") == curve(model.mse_path_.mean(axis=1))
    assert recorder.metrics(run)["alpha_"] == model.alpha_
    [drawing] = [each for each in recorder.said if isinstance(each, Drawing)]
    assert (drawing.path, drawing.chart.x) == ("cv_path.png", "log10 of alpha")


def test_a_path_over_two_params_has_both(recorder, light):
    model = ElasticNetCV(l1_ratio=[0.2, 0.8], alphas=[0.01, 0.1, 1.0], cv=3).fit(*DIABETES)
    run = recorder.run()
    rows = path(recorder, run)
    assert [float(row["l1_ratio"]) for row in rows] == [0.2] * 3 + [0.8] * 3
    found = [[float(row[f"split{split}_mse"]) for split in range(3)] for row in rows]
    assert found == model.mse_path_.reshape(6, 3).tolist()
    best = min(rows, key=lambda row: float(row["mean_mse"]))
    assert (float(best["alpha"]), float(best["l1_ratio"])) == (model.alpha_, model.l1_ratio_)
    charts = [each.path for each in recorder.said if isinstance(each, Drawing)]
    assert charts == ["cv_path_l1_ratio_0.2.png", "cv_path_l1_ratio_0.8.png"]


@pytest.mark.parametrize(
    "how", [{}, {"l1_ratios": [0.2, 0.8], "solver": "saga", "penalty": "elasticnet"}, {"solver": "liblinear"}]
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_logistic_path_has_the_scores_of_each_c(recorder, light, how):
    data = CANCER if how.get("solver") == "liblinear" else (X, y)
    model = LogisticRegressionCV(Cs=[0.1, 1, 10], cv=3, max_iter=50, random_state=0, **how).fit(*data)
    run = recorder.run()
    rows = path(recorder, run)
    scores = next(iter(model.scores_.values()))
    expected = scores.reshape(3, -1).mean(axis=0)
    assert [float(row["mean_score"]) for row in rows] == list(expected)
    assert [float(row["C"]) for row in rows] == list(np.repeat(model.Cs_, scores[0].size // 3))
    assert recorder.metrics(run)["C_"] == model.C_[0]


def test_a_path_of_feature_numbers_is_that_of_the_selector(recorder, light):
    model = RFECV(LogisticRegression(max_iter=1000), cv=3).fit(X, y)
    run = recorder.run("RFECV")
    rows = path(recorder, run)
    assert [int(row["n_features"]) for row in rows] == model.cv_results_["n_features"].tolist()
    assert recorder.history(run, "cv_path_mean_test_score") == curve(model.cv_results_["mean_test_score"])
    assert recorder.metrics(run)["n_features_"] == model.n_features_


@pytest.mark.parametrize(
    ("model", "has_path"),
    [
        (LassoLarsCV(cv=3), True),
        (LarsCV(cv=3), True),
        (RidgeCV(store_cv_results=True), True),
        (RidgeCV(), False),
        (OrthogonalMatchingPursuitCV(cv=3), False),
        (GraphicalLassoCV(alphas=3, cv=2), True),
        (make_pipeline(StandardScaler(), LassoCV(cv=2)), True),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_other_that_keeps_its_path_has_it(recorder, light, model, has_path):
    model.fit(*DIABETES)
    run = recorder.run()
    assert ("cv_path.csv" in recorder.artifacts(run)) is has_path


def test_more_targets_and_calibration_do_no_harm(recorder, light):
    MultiTaskLassoCV(cv=2).fit(DIABETES[0], np.c_[DIABETES[1], DIABETES[1]])
    RidgeCV(alpha_per_target=True).fit(DIABETES[0], np.c_[DIABETES[1], -DIABETES[0][:, 0]])
    CalibratedClassifierCV(LogisticRegression(max_iter=1000), cv=2).fit(X, y)
    assert {recorder.status(run) for run in recorder.runs()} == {"FINISHED"}
    assert "cv_path.csv" in recorder.artifacts(recorder.run("MultiTaskLassoCV"))


def test_the_estimator_is_left_as_it_is(recorder, light):
    model = LassoCV(cv=3).fit(*DIABETES)
    network = MLPClassifier((3,), max_iter=5, random_state=0).fit(X, y)
    light(disable=True)
    again = LassoCV(cv=3).fit(*DIABETES)
    other = MLPClassifier((3,), max_iter=5, random_state=0).fit(X, y)
    assert pickle.dumps(model) == pickle.dumps(again)
    assert pickle.dumps(network) == pickle.dumps(other)


class Strange(ClassifierMixin, BaseEstimator):
    """Has attributes of the same names, and other thoughts about them."""

    def __len__(self):
        raise RuntimeError("no length")

    def predict(self, X):
        return np.zeros(X.shape[0], int)

    def fit(self, X, y):
        self.n_iter_, self.train_score_, self.alpha_, self.converged_ = "many", ["a", "b"], np.arange(3.0), None
        self.cv_results_ = {"a": [1, 2], "b": [[1], [2]], "c": [1, 2, 3]}
        self.scores_, self.mse_path_, self.costs_ = {}, None, [[1, 2], [3, 4]]
        return self


def test_attributes_that_only_sound_alike_do_no_harm(recorder, light):
    GridSearchCV(Strange(), {}, cv=2, scoring=lambda model, X, y: 1.0).fit(X, y)
    Strange().fit(X, y)
    run = recorder.run("Strange")
    assert recorder.status(run) == "FINISHED"
    assert not {"n_iter_", "train_score", "alpha_0"} & recorder.metrics(run).keys()
    assert "cv_path.csv" not in recorder.artifacts(run)
