"""Models of scikit-learn by all roads: a real server, other people's hands, and models that cannot be written."""

from __future__ import annotations

import gc
import pickle
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import fitscribe
from fitscribe import delivery
from fitscribe.errors import MisuseError, SignatureMismatch, UntrustedModel
from fitscribe.locating import locate, located

X = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), columns=["a", "b", "c"])
y = (X["a"] > 0).astype(int)


@pytest.fixture
def model():
    return LogisticRegression().fit(X, y)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    delivery.forget()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    yield
    fitscribe.autolog(disable=True)
    delivery.forget()


def downloads():
    return [each for each in Path(tempfile.gettempdir()).iterdir() if each.name.startswith("fitscribe-")]


@pytest.mark.server
def test_model_of_a_server_is_loaded_and_nothing_of_it_stays(model, mlflow_server, tmp_path, ask_mlflow):
    fitscribe.set_tracking_uri(mlflow_server)
    with fitscribe.start_run() as run:
        logged = fitscribe.sklearn.log_model(model, name="mine", input_example=X, registered_model_name="iris")
        uri = logged.model_uri
    assert logged.model_id.startswith("m-")
    assert logged.registered_model_version == 1
    uris = [uri, f"models:/{logged.model_id}", "models:/iris/1", "models:/iris/latest"]
    for each in uris:
        assert np.array_equal(fitscribe.sklearn.load_model(each).predict(X), model.predict(X)), each
        assert downloads() == []
    asked = fitscribe.pyfunc.load_model(uri)
    assert len(downloads()) == 1, "it may read its files later"
    assert np.array_equal(asked.predict(X), model.predict(X))
    del asked
    gc.collect()
    assert downloads() == []
    kept = locate(uri, tmp_path / "here").folder
    assert kept.is_relative_to(tmp_path / "here")
    with located(uri) as folder:
        assert (folder / "MLmodel").is_file()
    assert not folder.exists()
    assert fitscribe.models.get_model_info("models:/iris/1").signature.inputs[0]["name"] == "a"
    assert run.info.run_id == logged.run_id


def test_model_that_cannot_be_written_costs_itself_alone():
    """W-09: a lock in a pipeline, and the run failed without metrics and plots."""
    lock = threading.Lock()
    pipeline = make_pipeline(FunctionTransformer(lambda table: table if lock else None), LogisticRegression())
    fitscribe.autolog()
    with fitscribe.start_run() as run:
        pipeline.fit(X, y)
        with pytest.raises(MisuseError, match="this Pipeline cannot be pickled"):
            fitscribe.sklearn.log_model(pipeline, name="again")
    found = fitscribe.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert "training_accuracy_score" in found.data.metrics
    assert found.data.tags["fitscribe.model"].startswith("left out: this Pipeline cannot be pickled")


def test_model_that_was_trained_here_knows_nothing_of_the_run():
    """W-32: the run's id was pickled into the model, whose copy elsewhere went on logging into the old run."""
    fitscribe.autolog()
    model = LogisticRegression()
    before = set(vars(model))
    with fitscribe.start_run() as run:
        model.fit(X, y)
    assert not [name for name in set(vars(model)) - before if not name.endswith("_")]
    assert run.info.run_id.encode() not in pickle.dumps(model)
    assert b"fitscribe" not in pickle.dumps(model)


def test_logging_a_model_warns_of_nothing(model, recwarn, capfd, caplog):
    """W-33, W-35: each fit warned of pickles, and asking the model for its outputs printed."""
    warnings.simplefilter("always")
    with fitscribe.start_run():
        fitscribe.sklearn.log_model(model, name="m", input_example=X)
    delivery.the_delivery().flush(60)
    assert [str(each.message) for each in recwarn] == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_signature_of_a_large_table_is_made_in_no_time():
    """W-42: every cell was looked at in Python, for 20 s."""
    frame = pd.DataFrame(np.zeros((400_000, 60)), columns=[f"c{i}" for i in range(60)])
    began = time.perf_counter()
    signature = fitscribe.models.infer_signature(frame)
    assert time.perf_counter() - began < 2
    assert len(signature.inputs) == 60


def test_transformer_has_no_predict_and_says_what_to_do(tmp_path):
    fitscribe.sklearn.save_model(StandardScaler().fit(X), "scaler", input_example=X)
    with pytest.raises(MisuseError, match="has no python_function and answers nothing; it has: sklearn"):
        fitscribe.pyfunc.load_model("scaler")
    fitscribe.sklearn.save_model(StandardScaler().fit(X), "asked", input_example=X, pyfunc_predict_fn="transform")
    assert fitscribe.pyfunc.load_model("asked").predict(X).shape == X.shape


def test_probabilities_are_what_was_asked_for(model):
    fitscribe.sklearn.save_model(model, "m", input_example=X, pyfunc_predict_fn="predict_proba")
    asked = fitscribe.pyfunc.load_model("m")
    assert asked.predict(X[["c", "b", "a"]]).shape == (40, 2)
    assert asked.output_schema == [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]
    assert isinstance(asked.get_raw_model(), LogisticRegression)
    with pytest.raises(SignatureMismatch, match="no column 'a'"):
        asked.predict(X[["b", "c"]])


def test_model_of_mlflow_is_loaded_when_it_is_trusted(model, tmp_path, ask_mlflow):
    fitscribe.sklearn.save_model(model, tmp_path / "ours", input_example=X)
    assert ask_mlflow(
        [
            (
                "save",
                (tmp_path / "ours", tmp_path / "theirs"),
                {"pip_requirements": [], "serialization_format": "cloudpickle"},
            )
        ]
    ) == [None]
    with pytest.raises(UntrustedModel, match=r"model\.pkl"):
        fitscribe.sklearn.load_model(tmp_path / "theirs")
    with pytest.raises(UntrustedModel, match=r"model\.pkl"):
        fitscribe.pyfunc.load_model(tmp_path / "theirs")
    for load in (fitscribe.sklearn.load_model, fitscribe.pyfunc.load_model):
        assert np.array_equal(load(tmp_path / "theirs", trust=True).predict(X), model.predict(X))


def test_signature_that_mlflow_inferred_is_taken_as_it_is(model):
    import mlflow

    theirs = mlflow.models.infer_signature(X, model.predict(X))
    fitscribe.sklearn.save_model(model, "m", signature=theirs)
    assert fitscribe.models.get_model_info("m").signature.to_dict() == theirs.to_dict()
