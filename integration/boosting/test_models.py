"""Models of the boosting libraries, in their own formats: MLflow loads ours, and we load MLflow's."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
import yaml

import fitscribe
from fitscribe.errors import MisuseError, UntrustedModel
from fitscribe.models.signature import infer_signature
from integration.boosting.data import X, y

QUIET = {"verbose": False, "allow_writing_files": False, "thread_count": 1}
LIGHT = {"objective": "binary", "num_threads": 1, "verbose": -1}
CLASSES = {
    "catboost": ("CatBoostClassifier", "CatBoostRegressor"),
    "lightgbm": ("Booster", "LGBMClassifier"),
    "xgboost": ("Booster", "XGBClassifier"),
}
NAMES = [f"{flavor}-{kind}" for flavor, kinds in CLASSES.items() for kind in kinds]


class OfTheUsers(xgboost.XGBClassifier):
    """A class that nobody else has."""


def trained(name):
    match name.split("-"):
        case "catboost", kind:
            return getattr(catboost, kind)(iterations=5, **QUIET).fit(X, y)
        case "lightgbm", "Booster":
            return lightgbm.train(LIGHT, lightgbm.Dataset(X, y), 5)
        case "lightgbm", _:
            return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(X, y)
        case "xgboost", "Booster":
            return xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, y), 5)
        case _:
            return xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, y)


def asked(model):
    return model.predict(xgboost.DMatrix(X) if isinstance(model, xgboost.Booster) else X)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder with models of ours, what MLflow said of them, and MLflow's own of the same."""
    top = tmp_path_factory.mktemp("models")
    models = {name: trained(name) for name in NAMES}
    for name, model in models.items():
        face = getattr(fitscribe, name.partition("-")[0])
        face.save_model(model, top / "ours" / name, signature=infer_signature(X, asked(model)), input_example=X)
    (top / "data.pkl").write_bytes(pickle.dumps(X))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name("theirs.py")), str(top)],
        cwd=top, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return top, models, pickle.loads((top / "answers.pkl").read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_mlflow_loads_what_we_save(shelf, name):
    _, models, answers = shelf
    kind, predicted = answers[name]
    assert kind == name.partition("-")[2], predicted
    assert np.array_equal(np.ravel(predicted), np.ravel(asked(models[name])))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_we_load_what_we_and_mlflow_save(shelf, name, whose):
    top, models, _ = shelf
    flavor, kind = name.split("-")
    loaded = getattr(fitscribe, flavor).load_model(top / whose / name)
    assert type(loaded).__name__ == kind
    assert np.array_equal(asked(loaded), asked(models[name]))
    by_pyfunc = fitscribe.pyfunc.load_model(top / whose / name)
    assert np.array_equal(np.ravel(by_pyfunc.predict(X)), np.ravel(asked(models[name])))


@pytest.mark.parametrize("name", NAMES)
def test_the_description_is_mlflows(shelf, name):
    top, _, _ = shelf
    flavor = name.partition("-")[0]
    ours, theirs = (
        yaml.safe_load((top / whose / name / "MLmodel").read_text(encoding="utf-8"))["flavors"]
        for whose in ("ours", "theirs")
    )
    file = {"lightgbm": ("data",), "xgboost": ("data",), "catboost": ()}[flavor]  # the names of the files are free
    for key in theirs[flavor].keys() - {*file, "extra_files", "serialization_format", "skops_trusted_types"}:
        assert ours[flavor][key] == theirs[flavor][key], key
    assert ours["python_function"]["loader_module"] == theirs["python_function"]["loader_module"]
    needed = (top / "ours" / name / "requirements.txt").read_text(encoding="utf-8")
    assert f"{flavor}-cpu==" in needed or f"{flavor}==" in needed


@pytest.mark.parametrize("objective", ["binary:logistic", "multi:softmax", "multi:softprob", "count:poisson", "own"])
@pytest.mark.parametrize("flavor", ["xgboost", "lightgbm"])
def test_a_booster_is_known_without_being_asked(flavor, objective):
    """What stands in the signature of a booster is what it answers."""
    module, labels = importlib.import_module(f"fitscribe.models.{flavor}"), X["rooms"]
    several = {"num_class": 4} if objective.startswith(("multi", "own")) else {}
    if not several:
        labels = y

    def own(predictions, data):
        return np.zeros((len(X), 4)), np.ones((len(X), 4))

    if flavor == "xgboost":
        params, obj = {"nthread": 1, **several}, own if objective == "own" else None
        params |= {} if obj else {"objective": objective}
        booster = xgboost.train(params, xgboost.DMatrix(X, labels), 2, obj=obj)
        answered = booster.predict(xgboost.DMatrix(X[:5]))
    else:
        names = {"binary:logistic": "binary", "count:poisson": "poisson", "own": own}
        params = {"objective": names.get(objective, "multiclass"), "verbose": -1, "num_threads": 1, **several}
        booster = lightgbm.train(params, lightgbm.Dataset(X, labels), 2)
        answered = booster.predict(X[:5])
    told = module.answers(booster, X[:5])
    assert (told.shape, told.dtype) == (answered.shape, answered.dtype)


def test_several_targets_are_known_as_well():
    data = xgboost.DMatrix(X, X[["a", "b"]])
    booster = xgboost.train({"nthread": 1}, data, 2)
    assert importlib.import_module("fitscribe.models.xgboost").answers(booster, X[:5]).shape == (5, 2)


def test_a_class_of_the_users_own_is_saved_as_the_librarys(tmp_path):
    fitscribe.xgboost.save_model(OfTheUsers(n_estimators=2, n_jobs=1).fit(X, y), tmp_path / "m", model_format="json")
    assert type(fitscribe.xgboost.load_model(tmp_path / "m")) is xgboost.XGBClassifier
    assert (tmp_path / "m" / "model.json").read_text(encoding="utf-8").startswith("{")


@pytest.mark.parametrize("name", ["os.system", "xgboost.train", "xgboost.core.DMatrix", "builtins.exec", ""])
def test_a_model_does_not_choose_what_is_called(tmp_path, name):
    folder = tmp_path / "m"
    fitscribe.xgboost.save_model(trained("xgboost-Booster"), folder)
    said = (folder / "MLmodel").read_text(encoding="utf-8")
    (folder / "MLmodel").write_text(said.replace("xgboost.core.Booster", name or "''"), encoding="utf-8")
    if not name:  # as MLflow wrote it before 1.22
        assert isinstance(fitscribe.xgboost.load_model(folder), xgboost.Booster)
        return
    with pytest.raises(MisuseError, match="which is no class of models of xgboost"):
        fitscribe.xgboost.load_model(folder)


def test_an_estimators_pickle_of_a_stranger_needs_trust_and_a_boosters_text_none(tmp_path):
    for name in ("lightgbm-LGBMClassifier", "lightgbm-Booster"):
        fitscribe.lightgbm.save_model(trained(name), tmp_path / name)
        about = tmp_path / name / "MLmodel"
        content = yaml.safe_load(about.read_text(encoding="utf-8"))
        del content["fitscribe_signature"]
        about.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(UntrustedModel, match=r"model\.pkl"):
        fitscribe.lightgbm.load_model(tmp_path / "lightgbm-LGBMClassifier")
    assert fitscribe.lightgbm.load_model(tmp_path / "lightgbm-Booster").num_trees() == 5


def test_an_estimator_of_lightgbm_as_skops(tmp_path):
    model = trained("lightgbm-LGBMClassifier")
    fitscribe.lightgbm.save_model(model, tmp_path / "m", serialization_format="skops")
    loaded = fitscribe.lightgbm.load_model(tmp_path / "m")
    assert np.array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize("flavor", CLASSES)
def test_what_is_no_model_of_the_library_is_refused_in_its_words(flavor, tmp_path):
    with pytest.raises(MisuseError, match=f"a dict is no model of {flavor}; give a trained one of"):
        getattr(fitscribe, flavor).save_model({}, tmp_path / "m")
    assert not list(tmp_path.rglob("model.*"))


def test_missing_files_and_unknown_formats_are_said(tmp_path):
    with pytest.raises(MisuseError, match="unknown model format 'pickle' of XGBoost; use one of json, ubj"):
        fitscribe.xgboost.save_model(trained("xgboost-Booster"), tmp_path / "x", model_format="pickle")
    fitscribe.catboost.save_model(trained("catboost-CatBoostRegressor"), tmp_path / "c")
    said = (tmp_path / "c" / "MLmodel").read_text(encoding="utf-8")
    (tmp_path / "c" / "MLmodel").write_text(said.replace("save_format: cbm", "save_format: onnx"), encoding="utf-8")
    with pytest.raises(MisuseError, match="CatBoost loads models saved as cbm or json, and this one is 'onnx'"):
        fitscribe.catboost.load_model(tmp_path / "c")
    (tmp_path / "c" / "MLmodel").write_text(said, encoding="utf-8")
    (tmp_path / "c" / "model.cb").unlink()
    with pytest.raises(MisuseError, match=r"model\.cb"):
        fitscribe.catboost.load_model(tmp_path / "c")


def test_a_model_that_is_too_large_is_left_out(only, recorder):
    only("xgboost", max_model_size=100)
    xgboost.train({"nthread": 1}, xgboost.DMatrix(X, y), 2)
    run = recorder.run()
    assert "larger than 0.0001 MB" in recorder.tags(run)["fitscribe.model"]
    assert [name for name in recorder.artifacts(run) if name.startswith("model")] == []
