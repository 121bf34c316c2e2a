"""What a user finds after a cross-validation without a search."""

from __future__ import annotations

import csv
import inspect
import io
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import (
    GridSearchCV,
    LearningCurveDisplay,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import fitscribe
from fitscribe.current import entered
from fitscribe.records import DatasetUsed, Drawing
from fitscribe.run import Run

X, y = load_iris(return_X_y=True)
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)
ALL = (cross_val_score, cross_validate, learning_curve, validation_curve, permutation_test_score)


class Picky(ClassifierMixin, BaseEstimator):
    """Refuses data whose first row it does not like."""

    def fit(self, X, y):
        if X[0, 3] == 0.2:
            raise ValueError("not this row")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), int)


def table(recorder, run, name):
    return list(csv.DictReader(io.StringIO(recorder.artifacts(run)[name].decode())))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_cross_val_score_is_one_run_with_a_step_for_each_fold(recorder, autolog, n_jobs):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, max_iter=500))
    scores = cross_val_score(model, X, y, cv=4, scoring="f1_macro", n_jobs=n_jobs)
    run = recorder.run("cross_val_score(Pipeline)")
    assert sorted(recorder.history(run, "test_score")) == list(enumerate(scores))  # whichever was ready first
    assert sorted(step for step, _ in recorder.history(run, "fit_time")) == [0, 1, 2, 3]
    found = recorder.metrics(run)
    assert (found["mean_test_score"], found["std_test_score"]) == (scores.mean(), scores.std())
    params = recorder.params(run)
    assert params["logisticregression__C"] == "0.5"
    assert (params["validation.cv"], params["validation.scoring"], params["validation.splits"]) == (
        "4",
        "f1_macro",
        "4",
    )
    assert recorder.tags(run)["estimator_name"] == "Pipeline"
    assert recorder.tags(run)["fitscribe.validation"] == "cross_val_score"
    assert [float(row["test_score"]) for row in table(recorder, run, "cross_validation.csv")] == list(scores)
    assert any(isinstance(each, DatasetUsed) for each in recorder.said)
    assert recorder.status(run) == "FINISHED"


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky", "multiprocessing"])
def test_cross_validate_tells_every_column_on_every_backend(recorder, autolog, backend):
    import joblib

    with joblib.parallel_backend(backend, n_jobs=1 if backend == "sequential" else 2):
        found = cross_validate(TREE, X, y, cv=3, scoring=["accuracy", "f1_macro"], return_train_score=True)
    run = recorder.run("cross_validate(DecisionTreeClassifier)")
    assert len(found) == 6
    for name, column in found.items():
        assert sorted(recorder.history(run, name)) == list(enumerate(column))
        assert recorder.metrics(run)[f"mean_{name}"] == column.mean()
        assert recorder.metrics(run)[f"std_{name}"] == column.std()
    assert list(table(recorder, run, "cross_validation.csv")[0]) == ["fold", *found]


def test_folds_are_there_while_the_others_still_run(recorder, autolog):
    seen = []

    class Watching(DecisionTreeClassifier):
        def fit(self, X, y):
            seen.append(sum(1 for each in recorder.said if "test_score" in getattr(each, "values", {})))
            return super().fit(X, y)

    cross_val_score(Watching(), X, y, cv=4)
    assert seen == [0, 1, 2, 3]


def test_estimators_and_indices_that_were_asked_for_do_no_harm(recorder, autolog):
    found = cross_validate(TREE, X, y, cv=3, return_estimator=True, return_indices=True)
    assert len(found["estimator"]) == 3
    run = recorder.run()
    assert recorder.history(run, "test_score") == list(enumerate(found["test_score"]))


def test_a_learning_curve_is_a_curve_over_the_rows_trained_on(recorder, autolog):
    sizes, train, test, fits, _ = learning_curve(TREE, X, y, cv=3, shuffle=True, random_state=0, return_times=True)
    run = recorder.run("learning_curve(DecisionTreeClassifier)")
    assert recorder.history(run, "mean_test_score") == list(zip(sizes, test.mean(axis=1), strict=True))
    assert recorder.history(run, "mean_train_score") == list(zip(sizes, train.mean(axis=1), strict=True))
    assert recorder.history(run, "std_test_score") == list(zip(sizes, test.std(axis=1), strict=True))
    assert recorder.history(run, "mean_fit_time") == list(zip(sizes, fits.mean(axis=1), strict=True))
    rows = table(recorder, run, "learning_curve.csv")
    assert [int(row["train_size"]) for row in rows] == list(sizes)
    assert [float(row["split2_test_score"]) for row in rows] == list(test[:, 2])
    [drawing] = [each for each in recorder.said if isinstance(each, Drawing)]
    assert drawing.path == "learning_curve.png"
    assert drawing.chart.series["test"] == (list(map(float, sizes)), list(test.mean(axis=1)))


def test_a_learning_curve_of_partial_fits_makes_one_run(recorder, autolog):
    sizes, _, test = learning_curve(
        SGDClassifier(random_state=0), X, y, cv=3, shuffle=True, random_state=0, exploit_incremental_learning=True
    )
    assert recorder.history(recorder.run(), "mean_test_score") == list(zip(sizes, test.mean(axis=1), strict=True))


@pytest.mark.parametrize(("name", "values"), [("max_depth", [1, 2, 5]), ("criterion", ["gini", "entropy"])])
def test_a_validation_curve_is_a_curve_over_a_param(recorder, autolog, name, values):
    train, test = validation_curve(TREE, X, y, param_name=name, param_range=values, cv=3)
    run = recorder.run("validation_curve(DecisionTreeClassifier)")
    assert recorder.history(run, "mean_test_score") == list(enumerate(test.mean(axis=1)))
    assert recorder.history(run, "mean_train_score") == list(enumerate(train.mean(axis=1)))
    assert recorder.params(run)["validation.param_name"] == name
    rows = table(recorder, run, "validation_curve.csv")
    assert [row[name] for row in rows] == [str(value) for value in values]
    [drawing] = [each for each in recorder.said if isinstance(each, Drawing)]
    assert drawing.path == "validation_curve.png"


def test_a_wide_range_is_drawn_by_powers_of_ten(recorder, autolog):
    validation_curve(SVC(), X, y, param_name="gamma", param_range=np.logspace(-4, 1, 6), cv=3)
    recorder.run()
    [drawing] = [each for each in recorder.said if isinstance(each, Drawing)]
    assert drawing.chart.x == "log10 of gamma"
    assert drawing.chart.series["test"][0] == pytest.approx([-4, -3, -2, -1, 0, 1])


def test_a_permutation_test_has_its_score_its_p_value_and_each_permutation(recorder, autolog):
    score, permutations, pvalue = permutation_test_score(TREE, X, y, cv=3, n_permutations=12, random_state=0, n_jobs=2)
    run = recorder.run("permutation_test_score(DecisionTreeClassifier)")
    found = recorder.metrics(run)
    assert (found["test_score"], found["pvalue"]) == (score, pvalue)
    assert recorder.history(run, "permutation_score") == list(enumerate(permutations))
    assert recorder.params(run)["validation.n_permutations"] == "12"


def test_predictions_by_folds_make_no_run(recorder, autolog):
    cross_val_predict(TREE, X, y, cv=3, n_jobs=2)
    cross_val_predict(TREE, X, y, cv=3)
    assert recorder.runs() == []


def test_a_display_makes_the_one_run_of_its_curve(recorder, autolog):
    """With MLflow it is ten runs."""
    pytest.importorskip("matplotlib")
    LearningCurveDisplay.from_estimator(TREE, X, y, cv=2)
    assert [run.name for run in recorder.runs()] == ["learning_curve(DecisionTreeClassifier)"]


def test_a_search_inside_folds_is_part_of_them(recorder, autolog):
    """Nested cross-validation: the search's own `cv` and `scoring` are not taken for those of the outer folds."""
    cross_val_score(GridSearchCV(SVC(), {"C": [1, 2]}, cv=2, scoring="f1_macro"), X, y, cv=3, scoring="accuracy")
    params = recorder.params(recorder.run())
    assert (params["cv"], params["scoring"]) == ("2", "f1_macro")
    assert (params["validation.cv"], params["validation.scoring"]) == ("3", "accuracy")


def test_a_forest_in_threads_inside_folds_is_not_taken_for_a_fold(recorder, autolog):
    scores = cross_val_score(RandomForestClassifier(8, n_jobs=2, random_state=0), X, y, cv=3)
    assert recorder.history(recorder.run(), "test_score") == list(enumerate(scores))


def test_a_fold_that_fails_is_told_with_its_traceback(recorder, autolog):
    with pytest.warns(FitFailedWarning):
        scores = cross_val_score(Picky(), X, y, cv=3)
    run = recorder.run()
    steps = dict(recorder.history(run, "test_score"))
    assert np.array_equal([steps[0], steps[1], steps[2]], scores, equal_nan=True)
    assert recorder.tags(run)["fitscribe.failed_folds"] == f"{int(np.isnan(scores).sum())} of 3"
    assert recorder.tags(run)["fitscribe.error"] == "ValueError: not this row"
    assert b"not this row" in recorder.artifacts(run)["tracebacks.txt"]
    assert recorder.status(run) == "FINISHED"


def test_a_fold_that_fails_under_the_users_own_scoring_is_told_in_the_end(recorder, autolog):
    def scoring(model, X, y):
        return {"mine": model.score(X, y)}

    with pytest.warns(FitFailedWarning):
        found = cross_validate(Picky(), X, y, cv=3, scoring=scoring, error_score=-1.0)
    steps = dict(recorder.history(recorder.run(), "test_mine"))
    assert [steps[0], steps[1], steps[2]] == list(found["test_mine"])


def test_folds_that_all_fail_say_why(recorder, autolog):
    with pytest.raises(ValueError, match="All the 2 fits failed"):
        cross_val_score(Picky(), np.full((40, 4), 0.2), [0, 1] * 20, cv=2)
    run = recorder.run()
    assert recorder.status(run) == "FAILED"
    assert recorder.tags(run)["fitscribe.failed_folds"] == "2 of 2"


def test_an_error_is_the_users_and_the_run_failed(recorder, autolog):
    with pytest.raises(ValueError, match="not this row"):
        cross_val_score(Picky(), X, y, cv=3, error_score="raise")
    assert recorder.status(recorder.run()) == "FAILED"


def test_the_users_open_run_takes_the_first_and_children_the_others(recorder, autolog):
    with entered(Run.start("mine", by_user=True)):
        cross_val_score(TREE, X, y, cv=3)
        cross_val_score(SVC(), X, y, cv=3)
    assert [run.name for run in recorder.runs()] == ["mine", "cross_val_score(SVC)"]
    assert recorder.params(recorder.runs()[0])["max_depth"] == "2"


def test_results_are_what_they_are_without_autologging(recorder, autolog):
    def found():
        return (
            cross_val_score(TREE, X, y, cv=3),
            learning_curve(TREE, X, y, cv=3, shuffle=True, random_state=1)[2],
            validation_curve(TREE, X, y, param_name="max_depth", param_range=[1, 2], cv=3)[1],
            permutation_test_score(TREE, X, y, cv=3, n_permutations=4, random_state=0)[1],
        )

    with_us = found()
    fitscribe.autolog(disable=True)
    assert all(np.array_equal(one, other) for one, other in zip(with_us, found(), strict=True))


def test_functions_stay_the_same_objects_with_autologging_on_and_after(recorder):
    """They were imported by name before autologging began, as in most scripts."""
    before = [(function, str(inspect.signature(function)), pickle.dumps(function)) for function in ALL]
    cells = [function.__closure__[0].cell_contents for function in ALL]
    fitscribe.autolog()
    cross_val_score(TREE, X, y, cv=2)
    assert len(recorder.runs()) == 1
    for function, signature, pickled in before:
        assert str(inspect.signature(function)) == signature
        assert pickle.dumps(function) == pickled
        assert pickle.loads(pickled) is function
    fitscribe.autolog(disable=True)
    assert [function.__closure__[0].cell_contents for function in ALL] == cells
    cross_val_score(TREE, X, y, cv=2)
    assert len(recorder.runs()) == 1


def test_refused_arguments_are_refused_as_before(recorder, autolog):
    with pytest.raises(ValueError, match="The 'cv' parameter of cross_val_score must be"):
        cross_val_score(TREE, X, y, cv="many")
    assert recorder.runs() == []


def test_infinite_scores_bring_no_warning_of_ours(recorder, autolog):
    found = cross_validate(TREE, X, y, cv=3, scoring=lambda model, X, y: np.inf)
    assert np.isinf(found["test_score"]).all()
    assert recorder.metrics(recorder.run())["mean_test_score"] == np.inf


def test_ctrl_c_in_a_fold_keeps_the_folds_before_it(recorder, autolog):
    class Stopped(DecisionTreeClassifier):
        def fit(self, X, y):
            if len(recorder.said) and sum("test_score" in getattr(each, "values", {}) for each in recorder.said) == 2:
                raise KeyboardInterrupt
            return super().fit(X, y)

    with pytest.raises(KeyboardInterrupt):
        cross_val_score(Stopped(), X, y, cv=5)
    run = recorder.run()
    assert [step for step, _ in recorder.history(run, "test_score")] == [0, 1]
    assert recorder.status(run) == "KILLED"


def test_validations_side_by_side_in_threads_stay_apart(recorder, autolog):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda cv: cross_val_score(TREE, X, y, cv=cv), [2, 3, 4, 5, 6, 7]))
    scores = sorted((len(each), list(enumerate(each))) for each in found)
    recorded = [recorder.history(run, "test_score") for run in recorder.runs()]
    assert sorted((len(each), each) for each in recorded) == scores
