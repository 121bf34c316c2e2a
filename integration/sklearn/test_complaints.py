"""What users of MLflow's autologging saw go wrong with scikit-learn: each has a test here that it does not.

The numbers are those of a list of complaints; those that concern other frameworks alone are not in the table.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from sklearn.datasets import load_iris
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

X, y = load_iris(return_X_y=True)
HERE = Path(__file__).parent

TESTS = {
    "W-01 threads lose runs": ("test_training", "test_eight_fits_in_four_threads_are_eight_whole_runs"),
    "W-01 threads with runs of the user": ("test_undisturbed", "test_eight_threads_each_in_a_run_of_the_users"),
    "W-02 two fits in one run mix": ("test_complaints", "test_two_fits_in_one_run_do_not_mix"),
    "W-09 a model that cannot be saved takes the rest along": (
        "test_training", "test_a_model_that_cannot_be_pickled_loses_its_artifact_and_nothing_else"),
    "W-09 the same of skops": ("test_training", "test_a_model_that_skops_does_not_know_loses_only_itself"),
    "W-14 weights as a param": ("test_training", "test_sample_weights_by_place_or_name_weigh_the_metrics"),
    "W-16 halving searches": ("test_search", "test_halving_tells_resources_and_who_goes_on"),
    "W-17 meta-estimators make many runs": ("test_training", "test_meta_estimators_are_one_run_of_their_own"),
    "W-17 displays make many runs": ("test_folds", "test_a_display_makes_the_one_run_of_its_curve"),
    "W-18 junk of permutation_importance": ("test_complaints", "test_permutation_importance_leaves_no_junk"),
    "W-19 children ignore log_datasets=False": ("test_complaints", "test_children_have_no_dataset_when_none_is_wanted"),
    "W-20 times and names of children": ("test_search", "test_children_have_times_of_their_own"),
    "W-20 failed candidates": ("test_search", "test_a_candidate_that_fails_is_a_failed_run"),
    "W-24 a process that dies": ("test_search", "test_a_search_that_is_killed_leaves_the_candidates_that_were_done"),
    "W-28 several outputs": ("test_training", "test_several_outputs_each_have_their_metrics"),
    "W-32 a run's id in the pickle": ("test_training", "test_nothing_is_left_on_the_users_model"),
    "W-33 warnings of a clean fit": ("test_training", "test_a_clean_fit_gives_no_warning"),
    "W-36 frames in tracebacks": ("test_undisturbed", "test_an_error_is_the_users_to_the_last_frame"),
    "W-42 large frames are slow": ("test_data", "test_a_large_frame_takes_the_training_thread_some_milliseconds"),
    "W-43 sparse data made dense": ("test_training", "test_a_sparse_matrix_is_not_made_dense"),
    "W-44 data copied": ("test_third_party", "test_a_hundred_megabytes_on_an_estimator_are_not_copied"),
    "W-46 requests of a search": ("test_search", "test_a_candidate_costs_few_requests"),
    "W-53 curves": ("test_curves", "test_a_network_has_its_loss_epoch_by_epoch"),
    "W-53 importances": ("test_plots", "test_a_forest_has_its_feature_importances_by_name"),
    "W-53 partial_fit": ("test_partial_fit", "test_many_calls_are_one_run_with_a_step_each"),
    "W-53 cross_validate": ("test_folds", "test_cross_validate_tells_every_column_on_every_backend"),
    "W-53 others' estimators": ("test_third_party", "test_imbalanced_learn_is_recorded_like_scikit_learn"),
    "W-55 names of runs": ("test_search", "test_children_are_named_by_what_sets_them_apart"),
}  # fmt: skip


@pytest.mark.parametrize("complaint", TESTS)
def test_each_complaint_has_its_test(complaint):
    module, name = TESTS[complaint]
    tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_two_fits_in_one_run_do_not_mix(recorder, autolog):
    from fitscribe.current import entered
    from fitscribe.run import Run

    autolog(log_models=False)
    with entered(Run.start("mine", by_user=True)):
        LogisticRegression(C=1, max_iter=500).fit(X, y)
        LogisticRegression(C=2, max_iter=500).fit(X, y)
    mine, second = recorder.runs()
    assert second.parent == mine.run
    assert (recorder.params(mine)["C"], recorder.params(second)["C"]) == ("1", "2")


def test_permutation_importance_leaves_no_junk(recorder, autolog):
    autolog(log_models=False)
    model = LogisticRegression(max_iter=500).fit(X, y)
    before = recorder.metrics(recorder.run())
    permutation_importance(model, X, y, n_repeats=3)
    assert recorder.metrics(recorder.run()) == before


def test_children_have_no_dataset_when_none_is_wanted(recorder, autolog):
    from fitscribe.records import DatasetUsed

    autolog(log_datasets=False, log_models=False)
    GridSearchCV(SVC(), {"C": [1, 2]}, cv=2).fit(X, y)
    assert len(recorder.runs()) == 3
    assert not [each for each in recorder.said if isinstance(each, DatasetUsed)]
