"""`fitscribe.sklearn` by hand: a model logged, saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import fitscribe
from fitscribe import delivery
from fitscribe.errors import MisuseError, NotFoundError

X, y = load_iris(return_X_y=True)


@pytest.fixture
def model():
    return LogisticRegression(max_iter=500).fit(X, y)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    delivery.forget()
    monkeypatch.chdir(tmp_path)
    yield
    delivery.forget()


def test_a_logged_model_is_loaded_by_its_uri(model):
    with fitscribe.start_run() as run:
        logged = fitscribe.sklearn.log_model(model, name="mine", input_example=X[:3])
    assert logged.model_uri == f"runs:/{run.info.run_id}/mine"
    again = fitscribe.sklearn.load_model(logged.model_uri)
    assert np.array_equal(again.predict(X), model.predict(X))
    files = {each.path for each in fitscribe.list_artifacts(run_id=run.info.run_id, artifact_path="mine")}
    assert {"mine/MLmodel", "mine/model.pkl", "mine/requirements.txt", "mine/input_example.json"} <= files


def test_a_saved_model_is_loaded_from_its_folder(model, tmp_path):
    fitscribe.sklearn.save_model(model, tmp_path / "saved")
    assert np.array_equal(fitscribe.sklearn.load_model(tmp_path / "saved").predict(X), model.predict(X))
    with pytest.raises(MisuseError, match="there is something already"):
        fitscribe.sklearn.save_model(model, tmp_path / "saved")


def test_requirements_are_the_callers_if_he_says_so(model):
    with fitscribe.start_run() as run:
        fitscribe.sklearn.log_model(model, "model", pip_requirements=["scikit-learn==9.9"])
    words = fitscribe.artifacts.load_text(f"runs:/{run.info.run_id}/model/requirements.txt")
    assert "scikit-learn==9.9" in words.splitlines()
    assert "numpy" not in words


def test_what_cannot_be_done_says_so_and_loses_nothing(model):
    with fitscribe.start_run() as run:
        with pytest.raises(MisuseError, match="cannot be pickled"):
            fitscribe.sklearn.log_model(type("Odd", (), {"__reduce__": lambda self: 1})())
        with pytest.raises(MisuseError, match="not both"):
            fitscribe.sklearn.log_model(model, pip_requirements=[], extra_pip_requirements=[])
        fitscribe.log_param("after", 1)
    assert fitscribe.get_run(run.info.run_id).data.params == {"after": "1"}
    with pytest.raises(NotFoundError, match="there is nothing at 'nowhere'"):
        fitscribe.sklearn.load_model("nowhere")
    with pytest.raises(NotFoundError, match="m"):
        fitscribe.sklearn.load_model("models:/m/1")
