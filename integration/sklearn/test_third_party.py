"""Estimators of others, and classes that nobody expects: each fits as ever, and is recorded if it can be."""

from __future__ import annotations

import abc
import asyncio
import dataclasses
import functools
import gc
import threading
import tracemalloc
import weakref
from typing import Any, ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import fitscribe
from integration.sklearn.everything import runs, script

X, y = make_classification(120, 4, weights=[0.8], random_state=0)


class Plain(ClassifierMixin, BaseEstimator):
    """What the odd ones below are made from: it learns which class is the most frequent."""

    def __init__(self, extra=1):
        self.extra = extra

    def fit(self, X, y=None):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.most_ = int(counts.argmax())
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.most_])


class Guards(Plain):
    """Says no to every question but its own."""

    def __getattribute__(self, name):
        if name in ("shape", "columns", "toarray", "best_estimator_", "steps", "labels_", "staged_predict"):
            raise RuntimeError(f"do not ask for {name}")
        return super().__getattribute__(name)


class NoParams(Plain):
    def get_params(self, deep=True):
        raise RuntimeError("no params today")


class RaisingRepr(Plain):
    def __repr__(self, N_CHAR_MAX=700):
        raise RuntimeError("no words")


class EqualToArrays(Plain):
    def __eq__(self, other):
        return np.array([True, False])

    def __ne__(self, other):
        return np.array([False, True])

    __hash__ = None


class RaisingProperty(Plain):
    @property
    def feature_importances_(self):
        raise RuntimeError("not yet")

    @property
    def n_iter_(self):
        raise ValueError("unknown")


class Unpicklable(Plain):
    def fit(self, X, y=None):
        self.lock_ = threading.Lock()
        self.stream_ = (each for each in range(3))
        return super().fit(X, y)


class Slotted(ClassifierMixin, BaseEstimator):
    __slots__ = ("classes_", "extra")

    def __init__(self, extra=1):
        self.extra = extra

    def fit(self, X, y=None):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@dataclasses.dataclass
class Data(ClassifierMixin, BaseEstimator):
    extra: int = 1

    def fit(self, X, y=None):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


class Counted(abc.ABCMeta):
    made: ClassVar[list[str]] = []

    def __new__(mcs, name, bases, space, **kwargs):
        mcs.made.append(name)
        return super().__new__(mcs, name, bases, space)

    def __init__(cls, name, bases, space, **kwargs):
        super().__init__(name, bases, space)


class OfMeta(Plain, metaclass=Counted, flavour="odd"):
    def fit(self, X, y=None):
        return super().fit(X, y)


class Registers(Plain):
    known: ClassVar[dict[str, type]] = {}

    def __init_subclass__(cls, key, **kwargs):
        super().__init_subclass__(**kwargs)
        Registers.known[key] = cls


class Delegates(MetaEstimatorMixin, Plain):
    """As skorch does: fit calls partial_fit, and attributes come from what is inside."""

    def __init__(self, inner=None):
        self.inner = inner

    def fit(self, X, y=None):
        self.inner_ = clone(self.inner)
        return self.partial_fit(X, y)

    def partial_fit(self, X, y=None):
        self.inner_.fit(X, y)
        self.classes_ = self.inner_.classes_
        return self

    def predict(self, X):
        return self.inner_.predict(X)

    def __getattr__(self, name):
        if name.endswith("_") and not name.startswith("_") and name != "inner_":
            return getattr(self.inner_, name)
        raise AttributeError(name)


ODD = {cls.__name__: cls for cls in (
    Guards, NoParams, RaisingRepr, EqualToArrays, RaisingProperty, Unpicklable, Slotted, Data, OfMeta,
)}  # fmt: skip


@pytest.mark.swallows
@pytest.mark.parametrize("name", ODD)
def test_an_odd_estimator_fits_as_ever_and_is_recorded(recorder, autolog, name):
    model = ODD[name]()
    with fitscribe.unwatched():
        plain = ODD[name]().fit(X, y).predict(X)
    assert model.fit(X, y) is model
    assert np.array_equal(model.predict(X), plain)
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert recorder.tags(run)["estimator_name"] == name
    assert recorder.metrics(run)["training_accuracy_score"] == pytest.approx((plain == y).mean())


@pytest.mark.swallows
@pytest.mark.parametrize("name", sorted({*ODD} - {"NoParams", "RaisingRepr", "Slotted", "EqualToArrays"}))
def test_an_odd_estimator_in_a_pipeline_in_a_search(recorder, autolog, name):
    search = GridSearchCV(make_pipeline(StandardScaler(), ODD[name]()), {f"{name.lower()}__extra": [1, 2]}, cv=2)
    search.fit(X, y)
    parent, *children = recorder.runs()
    assert [recorder.params(child)[f"{name.lower()}__extra"] for child in children] == ["1", "2"]
    assert recorder.status(parent) == "FINISHED"


def test_a_repr_that_takes_long_is_not_waited_for(recorder, autolog):
    import time

    class Slow(Plain):
        def __repr__(self, N_CHAR_MAX=700):
            time.sleep(1)
            return "Slow()"

    outer = make_pipeline(StandardScaler(), Slow())
    outer.fit(X, y)
    recorder.runs()
    began = time.perf_counter()
    outer.fit(X, y)
    assert time.perf_counter() - began < 0.9


def test_a_class_that_registers_its_children_still_does(recorder, autolog):
    class Child(Registers, key="child"):
        def fit(self, X, y=None):
            return super().fit(X, y)

    assert Registers.known == {"child": Child}
    with pytest.raises(TypeError, match="key"):
        type("Keyless", (Registers,), {})
    Child().fit(X, y)
    assert recorder.run().name == "Child"


def test_metaclasses_see_each_class_once(autolog):
    Counted.made.clear()
    OfMeta2 = Counted("OfMeta2", (OfMeta,), {"fit": lambda self, X, y=None: Plain.fit(self, X, y)})
    assert Counted.made == ["OfMeta2"]
    assert OfMeta2().fit(X, y) is not None


def test_what_is_no_plain_method_is_left_alone(recorder, autolog):
    """Static, class, asynchronous and cached fits are what their author wrote, and make no run."""

    class Odd(BaseEstimator):
        @staticmethod
        def fit(X, y=None):
            return "static"

        @classmethod
        def fit_transform(cls, X, y=None):
            return cls

        @functools.lru_cache  # noqa: B019 - what users do
        def fit_predict(self, X, y=None):
            return "cached"

    class Later(BaseEstimator):
        async def fit(self, X, y=None):
            return self

        def fit_predict(self, X, y=None):
            yield from X

    assert (Odd().fit(1), Odd.fit_transform(1), Odd().fit_predict(1)) == ("static", Odd, "cached")
    model = Later()
    assert asyncio.iscoroutinefunction(model.fit)
    assert asyncio.run(model.fit(X, y)) is model
    assert list(model.fit_predict([1, 2])) == [1, 2]
    assert recorder.runs() == []


def test_an_object_with_a_fit_that_is_no_estimator_is_nothing_to_us(recorder, autolog):
    class Trainer:
        def __init__(self, fit):
            self.fit = fit

    assert Trainer(len).fit(X) == 120
    assert recorder.runs() == []


def test_delegation_makes_one_run_and_a_step_by_hand_its_own(recorder, autolog):
    model = Delegates(LogisticRegression()).fit(X, y)
    assert recorder.run().name == "Delegates"
    assert recorder.metrics(recorder.run())["training_accuracy_score"] == model.score(X, y)
    model.partial_fit(X, y)
    assert [run.name for run in recorder.runs()] == ["Delegates", "Delegates"]


def test_a_hundred_megabytes_on_an_estimator_are_not_copied(recorder, autolog):
    autolog(log_models=False)
    model = Plain(extra=np.zeros(100_000_000, dtype=np.uint8))
    Plain().fit(X, y)
    recorder.runs()
    tracemalloc.start()
    try:
        model.fit(X, y)
        recorder.runs()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 20_000_000


def test_a_user_who_lets_go_of_a_class_is_rid_of_it(recorder, autolog):
    def use():
        class Short(Plain):
            def fit(self, X, y=None):
                return super().fit(X, y)

        Short().fit(X, y)
        return weakref.ref(Short)

    gone = use()
    recorder.runs()
    gc.collect()
    assert gone() is None


def test_a_transformer_of_the_users_own_is_data_preparation_only_if_it_is_no_estimator(recorder, autolog):
    class Doubles(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.n_ = 1
            return self

        def transform(self, X):
            return X * 2

    assert np.array_equal(Doubles().fit_transform(X), X * 2)
    assert make_pipeline(Doubles(), SVC()).fit(X, y).score(X, y) > 0.5
    assert [run.name for run in recorder.runs()] == ["Doubles", "Pipeline"]


def test_a_class_of_the_users_script_is_pickled_into_workers(tmp_path):
    code = """
        import fitscribe
        fitscribe.autolog()
        import numpy as np
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.model_selection import GridSearchCV, cross_val_score
        class Mine(ClassifierMixin, BaseEstimator):
            def __init__(self, a=1):
                self.a = a
            def fit(self, X, y):
                self.classes_ = np.unique(y)
                return self
            def predict(self, X):
                return np.full(len(X), self.a)
        X, y = np.zeros((40, 2)), np.arange(40) % 2
        for method in ("loky", "multiprocessing"):
            import joblib
            with joblib.parallel_backend(method, n_jobs=2):
                search = GridSearchCV(Mine(), {"a": [0, 1]}, cv=2).fit(X, y)
        print(cross_val_score(Mine(), X, y, cv=2, n_jobs=2).tolist())
    """
    done = script(tmp_path, code)
    assert done.stdout == "[0.5, 0.5]\n"
    found = runs(tmp_path)
    assert sorted(each.info.run_name for each in found) == sorted(
        ["GridSearchCV", "a=0", "a=1"] * 2 + ["cross_val_score(Mine)"]
    )
    assert {each.info.status for each in found} == {"FINISHED"}


# other people's packages


def test_imbalanced_learn_is_recorded_like_scikit_learn(recorder, autolog):
    pytest.importorskip("imblearn")
    from imblearn.ensemble import BalancedRandomForestClassifier
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline as sampled
    from imblearn.under_sampling import RandomUnderSampler

    autolog(log_models=False)
    with fitscribe.unwatched():
        plain = sampled(StandardScaler(), SMOTE(random_state=0), LogisticRegression()).fit(X, y)
        resampled = RandomUnderSampler(random_state=0).fit_resample(X, y)
    ours = sampled(StandardScaler(), SMOTE(random_state=0), LogisticRegression()).fit(X, y)
    assert np.array_equal(plain.predict_proba(X), ours.predict_proba(X))
    again = RandomUnderSampler(random_state=0).fit_resample(X, y)
    assert all(np.array_equal(one, other) for one, other in zip(resampled, again, strict=True))
    pipeline = sampled(StandardScaler(), RandomUnderSampler(random_state=0), LogisticRegression())
    GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(X, y)
    BalancedRandomForestClassifier(5, random_state=0).fit(X, y)
    cross_val_score(pipeline, X, y, cv=2)
    tops = [run for run in recorder.runs() if not run.parent]
    assert [run.name for run in tops] == [
        "Pipeline", "GridSearchCV", "BalancedRandomForestClassifier", "cross_val_score(Pipeline)"
    ]  # fmt: skip
    assert len(recorder.children(tops[1])) == 2
    assert {recorder.status(run) for run in recorder.runs()} == {"FINISHED"}
    assert recorder.metrics(tops[0])["training_accuracy_score"] == ours.score(X, y)


def test_lightgbm_through_scikit_learns_door(recorder, autolog):
    lightgbm = pytest.importorskip("lightgbm")

    def model() -> Any:
        return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1, random_state=0)

    with fitscribe.unwatched():
        plain = model().fit(X, y)
    ours = model().fit(X, y, callbacks=[])
    assert np.array_equal(plain.predict_proba(X), ours.predict_proba(X))
    search = GridSearchCV(model(), {"num_leaves": [3, 7]}, cv=2).fit(X, y)
    tops = [run for run in recorder.runs() if not run.parent]
    assert [run.name for run in tops] == ["LGBMClassifier", "GridSearchCV"]
    assert recorder.metrics(tops[1])["best_cv_score"] == search.best_score_
    assert len(recorder.children(tops[1])) == 2
