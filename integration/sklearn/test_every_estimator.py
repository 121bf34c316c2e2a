"""Every estimator that scikit-learn has, fitted with autologging off and on: the user sees no difference."""

from __future__ import annotations

import inspect
import pickle
import random
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
import sklearn
from packaging.version import Version
from sklearn.base import BaseEstimator, is_classifier
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

import fitscribe
from fitscribe.integrations.sklearn.training import prepares
from integration.sklearn.checks import differing, estimators

ROWS = np.random.RandomState(0).uniform(size=(30, 3))
HALVES = np.arange(30) % 2
TEXTS = ["one two", "two three", "three one"] * 10
COUNTS = b"newObj"  # rebuilds a tree of nearest neighbours, which counts the questions that it was ever asked
CLASSES = np.array([0, 1])
CHECKED = ("predict", "transform", "decision_function")


def made(cls: type) -> Any:
    """Make an estimator with its defaults, and with small parts where it asks for some."""
    model = Ridge() if "Regressor" in cls.__name__ or cls.__name__ == "RegressorChain" else LogisticRegression()
    parts = [("a", model), ("b", type(model)())]
    known = {
        "estimator": model,
        "base_estimator": model,  # of chains, in scikit-learn before 1.9
        "estimators": parts,
        "steps": [("a", StandardScaler()), ("b", model)],
        "transformers": [("a", StandardScaler(), [0, 1])],
        "transformer_list": [("a", PCA(1)), ("b", PCA(2))],
        "dictionary": np.eye(3),
    }
    if "NMF" in cls.__name__:
        return cls(n_components=2)  # scikit-learn 1.5 warns of its default, also where it is only asked
    if cls.__name__ == "SelfTrainingClassifier":
        return cls(model)
    if cls.__name__ == "TSNE":
        return cls(perplexity=5)
    needed = [each for each in inspect.signature(cls).parameters.values() if each.default is each.empty]
    searched = {"param_grid": {"C": [0.1, 1.0]}, "param_distributions": {"C": [0.1, 1.0]}}
    given = {**known, **searched}
    return cls(**{each.name: given[each.name] for each in needed if each.kind is each.POSITIONAL_OR_KEYWORD})


def data(cls: type) -> tuple[Any, Any]:
    name = cls.__name__
    if name in ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"):
        return TEXTS, None
    if name in ("DictVectorizer", "FeatureHasher"):
        return [{"a": 1.0}, {"b": 2.0}], None
    if name == "KernelCenterer":
        return ROWS @ ROWS.T, None
    if name == "PatchExtractor":
        return np.zeros((2, 12, 12)), None
    if name in ("IsotonicRegression", "LabelBinarizer", "LabelEncoder"):
        return ROWS[:, 0] if name == "IsotonicRegression" else HALVES, HALVES
    if name == "GammaRegressor":
        return ROWS, HALVES + 1.0
    several = name.startswith(("MultiOutput", "MultiTask", "ClassifierChain", "RegressorChain", "CCA", "PLS"))
    return ROWS, np.column_stack([HALVES, np.arange(30) // 3 % 2]) if several else HALVES


class Outcome(NamedTuple):
    """All of a fit that its user can see."""

    error: object
    warned: list[tuple[type, str, str, int]]
    attributes: dict[str, Any]
    answers: dict[str, Any]
    draws: object
    pickled: bytes


def fitted(cls: type, method: str) -> Outcome:
    X, y = data(cls)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = made(cls)
        np.random.seed(0)
        random.seed(0)
        result, error = None, None
        try:
            arguments = (X,) if cls.__name__ in ("LabelBinarizer", "LabelEncoder") else (X, y)
            more = {"classes": CLASSES} if method == "partial_fit" and is_classifier(estimator) else {}
            result = getattr(estimator, method)(*arguments, **more)
        except (ValueError, TypeError, AttributeError) as raised:
            error = (type(raised), str(raised), [each.name for each in traceback.extract_tb(raised.__traceback__)])
        warned = [(each.category, str(each.message), each.filename, each.lineno) for each in caught]
        draws = (*(str(each) for each in np.random.get_state()), np.random.random(), random.getstate())
        pickled = pickle.dumps(estimator)
        asked = [] if error else [name for name in CHECKED if hasattr(estimator, name)]
        answers = {name: getattr(estimator, name)(X) for name in asked}
    answers[method] = None if result is estimator else result
    return Outcome(error, warned, dict(vars(estimator)), answers, draws, pickled)


def differences(plain: Any, ours: Any) -> Iterator[str]:
    if plain.keys() != ours.keys():
        yield f"{plain.keys() ^ ours.keys()} is there once only"
    for name in plain.keys() & ours.keys():
        one, other = plain[name], ours[name]
        if "time" in name or name == "cv_results_":
            continue
        if type(one) is not type(other):
            yield f"{name} is a {type(one).__name__} and a {type(other).__name__}"
        elif isinstance(one, (int, float, str, np.generic, np.ndarray)) and not _equal(one, other):
            yield f"{name} is {one} and {other}"


def _equal(one: Any, other: Any) -> bool:
    kind = np.asarray(one).dtype.kind
    return kind == "O" or bool(np.array_equal(one, other, equal_nan=kind in "fc"))


FAMILIES = (
    "Ridge",
    "DecisionTreeClassifier",
    "PCA",
    "GaussianNB",
    "EmpiricalCovariance",
    "FeatureUnion",
    "SGDRegressor",
)


@pytest.mark.skipif(Version(sklearn.__version__) < Version("1.7"), reason="its checks report no results before")
@pytest.mark.swallows  # what estimators raise where they are asked about such data is logged
@pytest.mark.parametrize("name", FAMILIES)
def test_scikit_learns_own_checks_end_alike(recorder, autolog, name):
    """All estimators on one command: `python -m integration.sklearn.checks`."""
    chosen = [each for each in estimators() if type(each).__name__ == name]
    assert [difference for each in chosen for difference in differing(each)] == []
    assert recorder.runs()


def cases() -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classes = [cls for name, cls in all_estimators() if name != "FrozenEstimator"]
        return [
            pytest.param(cls, method, id=f"{cls.__name__}.{method}")
            for cls in classes
            for method in ("fit", "fit_transform", "fit_predict", "partial_fit")
            if method in vars(cls) and hasattr(made(cls), method)
        ]


@pytest.mark.parametrize(("cls", "method"), cases())
def test_a_fit_is_the_same_with_autologging(recorder, autolog, caplog, cls: type[BaseEstimator], method: str):
    with fitscribe.unwatched():
        plain = fitted(cls, method)
    ours = fitted(cls, method)
    runs = [run for run in recorder.runs() if not run.parent]
    assert (ours.error, ours.warned, ours.draws) == (plain.error, plain.warned, plain.draws)
    assert list(differences(plain.attributes, ours.attributes)) == []
    assert list(differences(plain.answers, ours.answers)) == []
    assert ours.pickled == plain.pickled or COUNTS in plain.pickled
    assert [each.getMessage() for each in caplog.records if each.name == "fitscribe"] == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        no_training = prepares(made(cls))
    if not no_training and method == "partial_fit":
        assert len(runs) == 1
    elif not no_training:
        assert [recorder.status(run) for run in runs] == ["FAILED" if ours.error else "FINISHED"]
    else:
        assert runs == []
