"""scikit-learn: one run per training, whatever estimator, with its search's candidates as child runs.

Watched are `fit`, `fit_transform` and `fit_predict` on `BaseEstimator` and every class below it, today's and
later ones, the user's own included (why not the one private function that all native fits pass, and what that
would miss: "Decisions" in CONTRIBUTING.md). A fit inside a fit passes unseen, on other threads too, since what
scikit-learn hands to joblib goes through `_FuncWrapper`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fitscribe import Integration, unwatched

__all__ = ["integration"]

integration = Integration(
    "sklearn",
    requires="scikit-learn>=1.5",
    tested="<1.10",
    options={
        "log_input_examples": False,
        "log_model_signatures": True,
        "log_models": True,
        "log_datasets": True,
        "log_staged_metrics": False,
        "max_tuning_runs": None,
        "serialization_format": "cloudpickle",
        "pos_label": None,
        "log_plots": "default",
        "max_model_size": 500_000_000,
        "log_post_training_metrics": True,
        "registered_model_name": None,
    },
)

PLOTS = ("default", "all", "none")
FORMATS = ("cloudpickle", "pickle", "skops")


@integration.check("max_tuning_runs")
def _max_tuning_runs(value: Any) -> str:
    fits = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
    return "" if fits else "is neither a number of child runs from 0 nor None (all of them)"


@integration.check("serialization_format")
def _serialization_format(value: Any) -> str:
    return "" if value in FORMATS else f"is none of {', '.join(FORMATS)}"


@integration.check("log_plots")
def _log_plots(value: Any) -> str:
    return "" if value in PLOTS else f"is none of {', '.join(PLOTS)}"


@integration.check("max_model_size")
def _max_model_size(value: Any) -> str:
    fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0)
    return "" if fits else "is neither a number of bytes from 0 nor None (any size)"


@integration.check("registered_model_name")
def _registered_model_name(value: Any) -> str:
    fits = value is None or (isinstance(value, str) and value.strip() and not {"/", ":"} & set(value))
    return "" if fits else "is neither None nor a name (some text without / and :)"


def _training(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.sklearn import training

    return training.recorded(call)


for _target in (
    "sklearn.base:BaseEstimator+.fit",
    "sklearn.base:BaseEstimator+.fit_transform",
    "sklearn.base:BaseEstimator+.fit_predict",
    "sklearn.base:OutlierMixin.fit_predict",
    # its subclasses' `fit_transform` is wrapped by scikit-learn when they are made
    "sklearn.base:TransformerMixin+.fit_transform",
    # methods that exist under a condition only are no plain functions, but hold one
    "sklearn.pipeline:Pipeline.fit_transform.fn",
    "sklearn.pipeline:Pipeline.fit_predict.fn",
    "sklearn.neighbors._lof:LocalOutlierFactor.fit_predict.fn",
):
    integration.around(_target)(_training)


@integration.around("sklearn.base:BaseEstimator+.fit_resample")
def _resampling(call: Any) -> Generator[None, Any, None]:
    """Data preparation by imbalanced-learn's method: what it fits to find neighbours is no training."""
    yield


@integration.around("sklearn.utils.parallel:_FuncWrapper.__call__", nested=True)
def _task(call: Any) -> Generator[None, Any, None]:
    """A task that scikit-learn handed to joblib: part of a training or a validation, never one of its own."""
    with unwatched():
        yield


@integration.around("sklearn.utils.parallel:Parallel.__call__", nested=True)
def _tasks(call: Any) -> Generator[None, Any, None]:
    """All that scikit-learn runs in parallel, of which a search's candidates are followed."""
    from fitscribe.integrations.sklearn import live

    return live.followed(call)


@integration.around("sklearn.model_selection._search:BaseSearchCV+._run_search", nested=True)
def _searching(call: Any) -> Generator[None, Any, None]:
    """The search proper, before the refit: its own, or one inside what is trained."""
    from fitscribe.integrations.sklearn import search

    return search.searched(call)


for _function in ("cross_validate", "cross_val_score", "learning_curve", "validation_curve", "permutation_test_score"):

    @integration.around(f"sklearn.model_selection._validation:{_function}>func")
    def _validation(call: Any) -> Generator[None, Any, None]:
        """A validation by folds, seen inside the function that scikit-learn's check of arguments calls."""
        from fitscribe.integrations.sklearn import folds

        return folds.validated(call)


def _portion(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.sklearn import portions

    return portions.partly(call)


for _target in (
    "sklearn.base:BaseEstimator+.partial_fit",
    "sklearn.neural_network._multilayer_perceptron:MLPClassifier.partial_fit.fn",
    "sklearn.neural_network._multilayer_perceptron:MLPRegressor.partial_fit.fn",
    "sklearn.multioutput:_MultiOutputEstimator.partial_fit.fn",
    "sklearn.multioutput:MultiOutputRegressor.partial_fit.fn",
    "sklearn.multiclass:OneVsRestClassifier.partial_fit.fn",
    "sklearn.multiclass:OneVsOneClassifier.partial_fit.fn",
):
    integration.around(_target)(_portion)


def _prediction(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.sklearn import predictions

    return predictions.predicted(call)


for _method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
    integration.around(f"sklearn.base:BaseEstimator*.{_method}")(_prediction)
    integration.around(f"sklearn.base:BaseEstimator*.{_method}.fn")(_prediction)


def _score(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.sklearn import scoring

    return scoring.scored(call)


for _target in ("sklearn.base:BaseEstimator*.score", "sklearn.base:BaseEstimator*.score.fn"):
    integration.around(_target)(_score)


def _metric(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.sklearn import scoring

    return scoring.measured(call)


for _module in ("_classification", "_ranking", "_regression", "cluster._supervised", "cluster._unsupervised"):
    integration.around(f"sklearn.metrics.{_module}:*>func")(_metric)


def _scorer(call: Any) -> Generator[None, Any, None]:
    from fitscribe.integrations.sklearn import scoring

    return scoring.scored_by(call)


for _kind in ("_BaseScorer", "_MultimetricScorer"):
    integration.around(f"sklearn.metrics._scorer:{_kind}.__call__")(_scorer)


def _inspection(call: Any) -> Generator[None, Any, None]:
    """What scores a model over and over, on data that is changed on purpose: none of it says how good the model is."""
    yield


for _target in ("_permutation_importance:permutation_importance", "_partial_dependence:partial_dependence"):
    integration.around(f"sklearn.inspection.{_target}>func")(_inspection)
