"""Tables and charts of what was learned, by default and on request, and what is missing without matplotlib."""

from __future__ import annotations

import csv
import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_blobs, make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.metrics import roc_curve
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from fitscribe import charts
from fitscribe.records import Bars, Drawing, Heatmap, Lines

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True, as_frame=True)
DIABETES = load_diabetes(return_X_y=True)


def drawn(recorder, run) -> dict[str, Lines | Heatmap | Bars]:
    recorder.runs()
    return {each.path: each.chart for each in recorder.said if isinstance(each, Drawing) and each.run == run.run}


def table(recorder, run, path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(recorder.artifacts(run)[path].decode())))


@pytest.fixture
def no_models(autolog):
    autolog(log_models=False)
    return autolog


def test_a_forest_has_its_feature_importances_by_name(recorder, no_models):
    X, y = CANCER
    model = RandomForestClassifier(10, random_state=0).fit(X, y)
    rows = table(recorder, recorder.run(), "feature_importances.csv")
    assert rows[0] == ["feature", "importance"]
    found = {name: float(value) for name, value in rows[1:]}
    assert found == dict(zip(X.columns, model.feature_importances_.tolist(), strict=True))
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_coefficients_of_each_class_have_the_names_of_features_and_classes(recorder, no_models):
    X, y = IRIS
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=1000).fit(pd.DataFrame(X, columns=list("abcd")), words)
    rows = table(recorder, recorder.run(), "coefficients.csv")
    assert rows[0] == ["feature", "setosa", "versicolor", "virginica"]
    found = {row[0]: [float(value) for value in row[1:]] for row in rows[1:]}
    assert found.pop("(intercept)") == model.intercept_.tolist()
    assert found == {name: model.coef_[:, at].tolist() for at, name in enumerate("abcd")}


def test_a_pipeline_names_the_features_that_its_last_step_was_given(recorder, no_models):
    X = pd.DataFrame({"age": [1.0, 2, 3, 4], "town": ["a", "b", "a", "c"]})
    steps = ColumnTransformer([("n", StandardScaler(), ["age"]), ("c", OneHotEncoder(), ["town"])])
    make_pipeline(steps, LinearRegression()).fit(X, [1, 2, 3, 4])
    names = {row[0] for row in table(recorder, recorder.run(), "coefficients.csv")[1:]}
    assert names == {"n__age", "c__town_a", "c__town_b", "c__town_c", "(intercept)"}


def test_words_of_texts_have_their_weights(recorder, no_models):
    make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good film", "bad film"] * 5, [1, 0] * 5)
    rows = dict(table(recorder, recorder.run(), "coefficients.csv")[1:])
    assert float(rows["good"]) > 0 > float(rows["bad"])


def test_the_best_model_of_a_search_has_its_table(recorder, no_models):
    X, y = CANCER
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1]})
    search.fit(X, y)
    [run] = [each for each in recorder.runs() if not each.parent]
    found = {row[0]: float(row[1]) for row in table(recorder, run, "coefficients.csv")[1:-1]}
    assert found == dict(zip(X.columns, search.best_estimator_[-1].coef_[0].tolist(), strict=True))


def test_coefficients_are_those_of_the_fit_and_not_of_a_later_partial_fit(recorder, no_models):
    X, y = IRIS
    model = SGDClassifier(random_state=0).fit(X, y)
    after_fit = model.coef_.copy()
    for _ in range(20):
        model.partial_fit(X, y)
    rows = table(recorder, recorder.runs()[0], "coefficients.csv")
    assert sorted(float(row[1]) for row in rows[1:5]) == sorted(after_fit[0].tolist())


def test_clusters_have_their_sizes_and_a_silhouette(recorder, no_models):
    from sklearn.metrics import silhouette_score

    X, _ = make_blobs(300, centers=3, random_state=0)
    model = KMeans(3, n_init=1, random_state=0).fit(X)
    run = recorder.run()
    sizes = {int(row[0]): int(row[1]) for row in table(recorder, run, "cluster_sizes.csv")[1:]}
    assert sizes == dict(enumerate(np.bincount(model.labels_).tolist()))
    assert recorder.metrics(run)["training_silhouette_score"] == silhouette_score(X, model.labels_)


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame, __import__("scipy.sparse").sparse.csr_matrix])
def test_a_silhouette_of_many_rows_is_of_a_thousand(recorder, no_models, kind):
    X, _ = make_blobs(5000, centers=4, random_state=0)
    MiniBatchKMeans(4, n_init=1, random_state=0).fit_predict(kind(X))
    assert 0.3 < recorder.metrics(recorder.run())["training_silhouette_score"] <= 1


def test_noise_is_no_cluster(recorder, no_models):
    X, _ = make_blobs(100, centers=2, cluster_std=0.3, random_state=0)
    DBSCAN(eps=0.5).fit(np.vstack([X, [[99.0, 99.0]]]))
    found = recorder.metrics(recorder.run())
    assert (found["noise_rows"], found["n_clusters"]) == (1, 2)


def test_outlier_detectors_say_how_many_rows_they_left_out(recorder, no_models):
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor

    X, _ = make_blobs(200, centers=1, random_state=0)
    for model in (LocalOutlierFactor(contamination=0.1), IsolationForest(random_state=0, contamination=0.1)):
        labels = model.fit_predict(X)
        found = recorder.metrics(recorder.runs()[-1])
        assert found["training_outlier_share"] == (labels == -1).mean()


def test_components_have_their_share_of_the_variance(recorder, no_models):
    model = PCA().fit(IRIS[0])
    rows = table(recorder, recorder.run(), "explained_variance.csv")[1:]
    assert [float(row[1]) for row in rows] == model.explained_variance_ratio_.tolist()
    assert float(rows[-1][2]) == pytest.approx(1)


def test_a_regressor_has_no_plots_unless_asked_for(recorder, autolog):
    autolog(log_models=False)
    LinearRegression().fit(*DIABETES)
    assert drawn(recorder, recorder.runs()[0]) == {}
    autolog(log_plots="all")
    model = LinearRegression().fit(*DIABETES)
    found = drawn(recorder, recorder.runs()[1])
    assert set(found) == {"training_residuals.png", "training_prediction_error.png", "coefficients.png"}
    X, y = DIABETES
    xs, ys = found["training_residuals.png"].series["rows"]
    assert (xs, ys) == (model.predict(X).tolist(), (y - model.predict(X)).tolist())
    assert all(charts.draw(each) for each in found.values())


def test_no_plots_at_all(recorder, autolog):
    autolog(log_plots="none")
    LogisticRegression(max_iter=5000).fit(*CANCER)
    assert drawn(recorder, recorder.run()) == {}
    assert "coefficients.csv" in recorder.artifacts(recorder.run())


def test_three_classes_have_a_curve_each_and_calibration_on_request(recorder, autolog):
    autolog(log_plots="all", log_models=False)
    X, y = IRIS
    model = RandomForestClassifier(20, max_depth=2, random_state=0).fit(X, y)
    found = drawn(recorder, recorder.run())
    assert set(found) == {
        "training_confusion_matrix.png", "training_roc_curve.png", "training_calibration_curve.png",
        "feature_importances.png",
    }  # fmt: skip
    proba = model.predict_proba(X)
    x, _, _ = roc_curve(y == 1, proba[:, 1])
    [name] = [each for each in found["training_roc_curve.png"].series if each.startswith("1: AUC")]
    assert found["training_roc_curve.png"].series[name][0] == x.tolist()
    share, _ = calibration_curve(y == 2, proba[:, 2], n_bins=10)
    assert found["training_calibration_curve.png"].series["2"][1] == share.tolist()
    assert all(charts.draw(each) for each in found.values())


def test_of_a_hundred_classes_there_are_no_hundred_curves(recorder, autolog):
    autolog(log_plots="all", log_models=False)
    X, y = make_classification(1000, n_classes=100, n_informative=15, random_state=0)
    DecisionTreeClassifier(max_depth=8).fit(X, y)
    assert set(drawn(recorder, recorder.run())) == {"feature_importances.png"}


def test_a_chart_of_many_features_shows_thirty(recorder, autolog):
    autolog(log_plots="all", log_models=False)
    X, y = make_classification(200, n_features=300, random_state=0)
    LogisticRegression(max_iter=2000).fit(X, y)
    run = recorder.run()
    assert len(drawn(recorder, run)["coefficients.png"].names) == 30
    assert len(table(recorder, run, "coefficients.csv")) == 302


def test_the_curves_are_those_of_the_label_that_is_positive(recorder, autolog):
    autolog(pos_label="benign", log_models=False)
    X, y = CANCER
    words = np.where(y == 1, "benign", "malignant")
    for model in (LogisticRegression(max_iter=5000), SVC()):
        model.fit(X, words)
        found = drawn(recorder, recorder.runs()[-1])["training_roc_curve.png"]
        assert "benign" in found.x
        [name] = [each for each in found.series if each.startswith("AUC")]
        assert float(name.rpartition(" ")[2]) > 0.9


def test_a_positive_label_of_three_classes_says_nothing(recorder, autolog):
    """MLflow drops precision, recall and F1, with three warnings."""
    from sklearn.metrics import f1_score

    autolog(pos_label=1, log_models=False)
    X, y = IRIS
    model = DecisionTreeClassifier(max_depth=2).fit(X, y)
    found = recorder.metrics(recorder.run())
    assert found["training_f1_score"] == f1_score(y, model.predict(X), average="weighted")


def test_estimators_without_anything_to_tell_have_no_tables(recorder, no_models):
    SVC().fit(*IRIS)
    assert not [path for path in recorder.artifacts(recorder.run()) if path.endswith(".csv")]


NO_MATPLOTLIB = """
import logging, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout, level=logging.INFO)
sys.modules["matplotlib"] = None
import fitscribe
fitscribe.autolog()
from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier
for depth in (1, 2):
    DecisionTreeClassifier(max_depth=depth).fit(*load_breast_cancer(return_X_y=True))
fitscribe.flush()
print(sorted(name for name in sys.modules if name.startswith("matplotlib.")))
"""


def test_without_matplotlib_it_is_said_once_and_the_rest_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FITSCRIBE_TRACKING_URI", str(tmp_path / "runs"))
    done = subprocess.run(
        [sys.executable, "-c", NO_MATPLOTLIB], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    assert (done.stdout + done.stderr).count("matplotlib is not installed") == 1
    assert done.stdout.rstrip().endswith("[]")


def test_an_outlier_detector_of_many_trees_is_not_taken_for_their_list(recorder, no_models):
    from sklearn.ensemble import IsolationForest

    IsolationForest(n_estimators=5, random_state=0).fit(IRIS[0])
    assert "training_outlier_share" not in recorder.metrics(recorder.run())


def test_an_outlier_detector_is_not_scored_by_labels_that_it_does_not_give(recorder, no_models):
    from sklearn.covariance import EllipticEnvelope

    X, y = IRIS
    EllipticEnvelope(random_state=0).fit(X, np.array(["a", "b", "c"])[y])
    EllipticEnvelope(random_state=0).fit(X, np.where(y == 0, -1, 1))
    first, second = map(recorder.metrics, recorder.runs())
    assert "training_score" not in first
    assert "training_score" in second
