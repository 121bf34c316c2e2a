"""What is recorded of the training data, whatever it comes in, and how large a model may be."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import fitscribe
from fitscribe.errors import MisuseError
from fitscribe.models import sklearn as flavor
from fitscribe.records import DatasetUsed

X, Y = load_iris(return_X_y=True)
WORDS = np.array(["setosa", "versicolor", "virginica"])[Y]


def dataset(recorder) -> DatasetUsed:
    recorder.runs()
    [found] = [each for each in recorder.said if isinstance(each, DatasetUsed)]
    return found


def arrow(table):
    return pytest.importorskip("pyarrow").table({name: table[:, at] for at, name in enumerate("abcd")})


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        pd.DataFrame,
        lambda rows: pl.DataFrame(rows, schema=list("abcd")),
        sparse.csr_matrix,
        arrow,
        np.ndarray.tolist,
        np.ma.masked_array,
    ],
    ids=["numpy", "pandas", "polars", "scipy", "pyarrow", "list", "masked"],
)
def test_the_training_data_is_described_in_whatever_it_comes(recorder, autolog, kind):
    autolog(log_input_examples=True)
    DecisionTreeClassifier(max_depth=2).fit(kind(X), WORDS)
    found = json.loads(dataset(recorder).profile)
    assert found["target"] == {"classes": {"setosa": 50, "versicolor": 50, "virginica": 50}}
    assert found.get("num_rows") == 150 or found["features_shape"] == [150, 4]
    assert dataset(recorder).schema
    assert "training_f1_score" in recorder.metrics(recorder.run())
    assert "model/model.pkl" in recorder.artifacts(recorder.run())


def test_a_lazy_frame_is_never_collected(recorder, autolog):
    class Lazy(ClassifierMixin, BaseEstimator):
        def fit(self, X, y=None):
            self.rows_ = 2
            return self

    def collected(frame):
        raise AssertionError("somebody collected it")

    Lazy().fit(pl.LazyFrame({"a": [1, 2]}).map_batches(collected))
    run = recorder.run()
    assert recorder.tags(run)["fitscribe.dataset"] == "left out: a LazyFrame, which is never collected here"
    assert recorder.status(run) == "FINISHED"


def test_missing_values_and_the_range_of_the_target_are_told(recorder, autolog):
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.loc[:9, "b"] = np.nan
    HistGradientBoostingRegressor(max_iter=2).fit(frame, X[:, 3])
    found = json.loads(dataset(recorder).profile)
    assert found["missing"] == {"b": 10}
    assert (found["target"]["min"], found["target"]["max"]) == (X[:, 3].min(), X[:, 3].max())


def test_a_large_frame_takes_the_training_thread_some_milliseconds(recorder, autolog):
    from fitscribe.models import datasets

    frame = pd.DataFrame(np.ones((400_000, 60)))
    y = pd.Series(np.tile(["no", "yes"], 200_000))
    datasets.describe(frame, y)
    began = time.thread_time()
    datasets.describe(frame, y)
    assert time.thread_time() - began < 0.06  # 10 to 20 ms on an idle machine


def test_a_model_larger_than_the_limit_is_left_out_and_the_tag_says_why(recorder, autolog):
    autolog(max_model_size=20_000)
    model = RandomForestClassifier(50, random_state=0).fit(X, Y)
    run = recorder.run()
    assert recorder.tags(run)["fitscribe.model"] == (
        "left out: the model is larger than 0.02 MB; max_model_size=None records models of every size"
    )
    assert not [path for path in recorder.artifacts(run) if path.startswith("model")]
    assert recorder.metrics(run)["training_score"] == model.score(X, Y)
    assert recorder.status(run) == "FINISHED"
    autolog(max_model_size=None)
    model.fit(X, Y)
    assert "model/model.pkl" in recorder.artifacts(recorder.runs()[1])


@pytest.mark.parametrize("serialization_format", ["cloudpickle", "pickle", "skops"])
def test_a_model_over_the_limit_is_never_whole_in_memory(tmp_path, serialization_format):
    import tracemalloc

    large = FunctionTransformer(kw_args={"table": np.ones(8_000_000)})
    tracemalloc.start()
    with pytest.raises(MisuseError, match="larger than 1 MB"):
        flavor.write(large, tmp_path, serialization_format=serialization_format, limit=1e6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert list(tmp_path.iterdir()) == []


def test_a_tree_is_written_by_skops_and_loads_in_whose_hands_trust_it(recorder, autolog, tmp_path):
    """MLflow's autologging refuses every model with a tree in it."""
    autolog(serialization_format="skops")
    model = RandomForestClassifier(3, random_state=0).fit(X, Y)
    files = recorder.artifacts(recorder.run())
    for path in ("model.skops", "MLmodel"):
        (tmp_path / path).write_bytes(files[f"model/{path}"])
    assert b"- sklearn.tree._tree.Tree" in files["model/MLmodel"]  # by which MLflow's loader knows what it may load
    with pytest.raises(MisuseError, match=r"sklearn\.tree\._tree\.Tree"):
        flavor.load_model(tmp_path)
    loaded = flavor.load_model(tmp_path, trusted=["sklearn.tree._tree.Tree"])
    assert (loaded.predict(X) == model.predict(X)).all()


def test_what_is_not_scikit_learns_own_is_not_trusted_for_the_user(recorder, autolog):
    autolog(serialization_format="skops")
    make_pipeline(FunctionTransformer(Mine()), DecisionTreeClassifier()).fit(X, Y)
    run = recorder.run()
    assert "Mine" in recorder.tags(run)["fitscribe.model"]
    assert "training_score" in recorder.metrics(run)


class Mine:
    def __call__(self, rows):
        return rows


def test_options_are_refused_in_plain_words(autolog):
    with pytest.raises(MisuseError, match="log_plots='some' is none of default, all, none"):
        autolog(log_plots="some")
    with pytest.raises(MisuseError, match="max_model_size=-1 is neither a number of bytes"):
        autolog(max_model_size=-1)
    with pytest.raises(MisuseError, match="serialization_format='joblib' is none of"):
        autolog(serialization_format="joblib")
    with pytest.raises(MisuseError, match="registered_model_name='a/b' is neither None nor a name"):
        autolog(registered_model_name="a/b")


def test_what_is_not_wanted_is_not_recorded(recorder, autolog):
    autolog(log_models=False, log_datasets=False)
    LogisticRegression(max_iter=500).fit(X, Y)
    autolog(log_models=True, log_model_signatures=False, log_input_examples=False)
    LinearRegression().fit(X, Y)
    first, second = recorder.runs()
    assert not [path for path in recorder.artifacts(first) if path.startswith("model")]
    assert not [each for each in recorder.said if isinstance(each, DatasetUsed)]
    files = recorder.artifacts(second)
    assert b"\nsignature:" not in files["model/MLmodel"]
    assert "model/input_example.json" not in files


def test_a_run_of_the_users_own_is_left_alone_when_autologging_is_to_keep_apart(recorder, autolog):
    from fitscribe.current import entered
    from fitscribe.run import Run

    autolog(exclusive=True)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        DecisionTreeClassifier().fit(X, Y)
    mine.end()
    assert recorder.params(recorder.run()) == {}


def test_extra_tags_are_on_the_run(recorder, autolog):
    autolog(extra_tags={"team": "blue"}, log_models=False)
    DecisionTreeClassifier().fit(X, Y)
    assert recorder.tags(recorder.run())["team"] == "blue"


def test_labels_that_a_class_weight_or_weight_of_zero_hides_do_no_harm(recorder, autolog):
    import warnings

    autolog(log_plots="all", log_models=False)
    rows, y = load_breast_cancer(return_X_y=True)
    weight = np.where(y == 1, 1.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DecisionTreeClassifier(max_depth=2).fit(rows, y, sample_weight=weight)
        found = recorder.metrics(recorder.run())
    assert found["training_accuracy_score"] == 1


def test_silence_is_silence(recorder, autolog, caplog):
    fitscribe.sklearn.autolog(silent=True, max_model_size=0)
    caplog.clear()
    DecisionTreeClassifier().fit(X, Y)
    recorder.runs()
    assert not [each for each in caplog.records if each.levelname in ("INFO", "WARNING", "ERROR")]
