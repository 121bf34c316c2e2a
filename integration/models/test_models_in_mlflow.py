"""Models that we save, loaded and used by the real MLflow in a clean process."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from fitscribe.errors import MisuseError
from fitscribe.models import directory
from fitscribe.models.format import read_mlmodel
from fitscribe.models.signature import infer_signature
from fitscribe.models.sklearn import load_model

FORMATS = ["cloudpickle", "pickle", "skops"]
TRUSTED = {"forest": ["sklearn.tree._tree.Tree"], "pipeline": ["numpy.dtype"]}
TREES = TRUSTED["forest"]


def save_model(model, path, *, serialization_format="cloudpickle", skops_trusted_types=(), **around):
    options = {"serialization_format": serialization_format, "skops_trusted_types": skops_trusted_types}
    return directory.save("sklearn", model, path, options=options, **around)


def frame():
    random = np.random.default_rng(7)
    X = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "grün"])
    X["town"] = random.choice(["Ulm", "Graz"], 60)
    X.loc[3, "a"] = np.nan
    return X, (random.uniform(size=60) > 0.5).astype(int)


def fitted():
    """name -> (model, its training data)."""
    X, y = frame()
    numbers = X[["b", "grün"]]
    columns = ColumnTransformer(
        [("n", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b"]), ("t", OneHotEncoder(), ["town"])]
    )
    return {
        "logistic": (LogisticRegression().fit(numbers, y), numbers),
        "pipeline": (make_pipeline(columns, LogisticRegression()).fit(X, y), X),
        "kmeans": (KMeans(3, n_init=1, random_state=0).fit(numbers.to_numpy()), numbers.to_numpy()),
        "scaler": (StandardScaler().fit(numbers), numbers),
        "forest": (RandomForestClassifier(5, random_state=0).fit(numbers, y), numbers),
    }


def with_lambda():
    X, y = frame()
    numbers = X[["b", "grün"]]
    factor = 2.0
    return make_pipeline(FunctionTransformer(lambda x: x * factor), LogisticRegression()).fit(numbers, y), numbers


def used(model, X):
    return model.predict(X) if hasattr(model, "predict") else model.transform(X)


@pytest.fixture(scope="module")
def saved(tmp_path_factory, ask_mlflow):
    """(name, format) -> (model, data, folder, MLmodel, what MLflow's two loaders made of it)."""
    top = tmp_path_factory.mktemp("models")
    cases = {}
    for serialization_format in FORMATS:
        for name, (model, X) in fitted().items():
            folder = top / f"{name}-{serialization_format}"
            signature = infer_signature(X, used(model, X))
            save = {"serialization_format": serialization_format, "signature": signature, "input_example": X}
            if serialization_format == "skops":
                save["skops_trusted_types"] = TRUSTED.get(name, ())
            cases[name, serialization_format] = model, X, folder, save_model(model, folder, **save)
    model, X = with_lambda()
    folder = top / "lambda"
    cases["lambda", "cloudpickle"] = model, X, folder, save_model(model, folder, input_example=X)
    answers = ask_mlflow([("use", (folder, X), {}) for _, X, folder, _ in cases.values()])
    return {key: (*case, answer) for (key, case), answer in zip(cases.items(), answers, strict=True)}


def case_names():
    return [(name, each) for each in FORMATS for name in fitted()] + [("lambda", "cloudpickle")]


@pytest.mark.parametrize("case", case_names(), ids="-".join)
def test_mlflow_predicts_what_the_model_predicted(saved, case):
    model, X, _, content, answer = saved[case]
    np.testing.assert_array_equal(answer[0], used(model, X))
    if case[0] == "scaler":
        assert answer[1] is None
        assert set(content["flavors"]) == {"sklearn"}
    else:
        np.testing.assert_array_equal(answer[1], used(model, X))


@pytest.mark.parametrize("case", case_names(), ids="-".join)
def test_our_own_loader_gives_the_model_back(saved, case):
    model, X, folder, _, _ = saved[case]
    np.testing.assert_array_equal(used(load_model(folder, trusted=TRUSTED.get(case[0], ())), X), used(model, X))


# What MLflow's own save_model writes otherwise, and why.
DIFFERENCES = {
    "fitscribe_signature": "ours alone: who vouches for it",
    "fitscribe_version": "ours alone: who wrote it",
    "mlflow_version": "theirs alone: no MLflow wrote it, and no loader asks",
    "model_uuid": "random",
    "utc_time_created": "the time",
    "model_size_bytes": "another pickle protocol (5), and compact JSON in the serving example",
}


@pytest.mark.parametrize(("name", "each"), [("logistic", "cloudpickle"), ("kmeans", "skops"), ("scaler", "pickle")])
def test_mlmodel_is_what_mlflow_writes(saved, ask_mlflow, tmp_path, name, each):
    _, X, folder, content, _ = saved[name, each]
    options = {"serialization_format": each, "signature": content["signature"], "input_example": X[:5]}
    assert ask_mlflow([("save", (folder, tmp_path / "theirs"), {**options, "pip_requirements": []})]) == [None]
    ours = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    theirs = yaml.safe_load((tmp_path / "theirs" / "MLmodel").read_text(encoding="utf-8"))
    assert ours == content
    assert {key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key)} <= set(DIFFERENCES)
    assert ours["flavors"] == theirs["flavors"]
    assert set(ours) - set(theirs) == {"fitscribe_signature", "fitscribe_version"}
    assert set(theirs) - set(ours) == {"mlflow_version"}
    for file in ("input_example.json", "serving_input_example.json"):
        texts = [(each / file).read_text(encoding="utf-8") for each in (folder, tmp_path / "theirs")]
        assert json.loads(texts[0]) == json.loads(texts[1])
    for file in ("python_env.yaml", "conda.yaml"):
        environments = [yaml.safe_load((each / file).read_text()) for each in (folder, tmp_path / "theirs")]
        assert environments[0].keys() == environments[1].keys()
        assert environments[0]["dependencies"][:-1] == environments[1]["dependencies"][:-1]


def test_signature_and_example_arrive_in_mlflow(saved, ask_mlflow):
    _, X, folder, content, _ = saved["pipeline", "cloudpickle"]
    example, lines, theirs = ask_mlflow(
        [("example", (folder,), {}), ("dependencies", (folder,), {}), ("infer", (X,), {})]
    )
    pd.testing.assert_frame_equal(example, X[:5])
    assert lines[0].startswith("mlflow==")
    assert [line.split("==")[0] for line in lines[1:]] == ["cloudpickle", "numpy", "pandas", "scikit-learn", "scipy"]
    assert json.loads(content["signature"]["inputs"]) == json.loads(theirs["inputs"])
    assert json.loads(content["signature"]["inputs"])[0] == {"type": "double", "name": "a", "required": False}


def test_model_of_two_frameworks_needs_no_third(tmp_path):
    """A model is saved while another framework is imported: its requirements do not know that one."""
    import sys

    from fitscribe.models.requirements import requirements_of

    assert "matplotlib" in sys.modules or __import__("matplotlib")
    X, y = frame()
    found = requirements_of(LogisticRegression().fit(X[["b"]], y))
    assert [line.split("==")[0] for line in found] == ["numpy", "scikit-learn"]


def test_example_alone_makes_the_signature(saved):
    _, _, _, content, _ = saved["lambda", "cloudpickle"]
    assert {name: json.loads(text) if text else None for name, text in content["signature"].items()} == {
        "inputs": [
            {"type": "double", "name": "b", "required": True},
            {"type": "double", "name": "grün", "required": True},
        ],
        "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}],
        "params": None,
    }


def test_lambda_is_refused_by_the_formats_that_cannot_hold_it(tmp_path):
    model, _ = with_lambda()
    with pytest.raises(ValueError, match="cloudpickle") as by_pickle:
        save_model(model, tmp_path / "pickle", serialization_format="pickle")
    assert "this Pipeline cannot be pickled" in str(by_pickle.value)
    assert list((tmp_path / "pickle").iterdir()) == []
    with pytest.raises(ValueError, match=r"skops.*lambda"):
        save_model(model, tmp_path / "skops", serialization_format="skops")
    assert list((tmp_path / "skops").iterdir()) == []


def test_skops_types_are_trusted_by_the_caller_only(saved, tmp_path):
    model, _, folder, content, _ = saved["forest", "skops"]
    assert content["flavors"]["sklearn"]["skops_trusted_types"] == TREES
    with pytest.raises(ValueError, match=r"sklearn\.tree\._tree\.Tree; if you trust them.*trusted="):
        load_model(folder)
    with pytest.raises(ValueError, match=r"sklearn\.tree\._tree\.Tree; .*skops_trusted_types="):
        save_model(model, tmp_path / "again", serialization_format="skops")
    assert list((tmp_path / "again").iterdir()) == []


def test_model_saved_by_mlflow_is_loaded(saved, ask_mlflow, tmp_path):
    model, X, folder, _, _ = saved["forest", "cloudpickle"]
    jobs = []
    for each in FORMATS:
        options = {"serialization_format": each, "pip_requirements": []}
        if each == "skops":
            options["skops_trusted_types"] = TREES
        jobs.append(("save", (folder, tmp_path / each), options))
    assert ask_mlflow(jobs) == [None] * 3
    for each in FORMATS:
        np.testing.assert_array_equal(
            load_model(tmp_path / each, trusted=TREES, trust=each != "skops").predict(X), model.predict(X)
        )


def test_mistake_is_told_before_anything_is_written(tmp_path):
    model, X = fitted()["logistic"]
    for wrong in (
        {"metadata": {"a": object()}},
        {"serialization_format": "joblib"},
        {"pip_requirements": "no such file"},
        {"pip_requirements": ["a"], "extra_pip_requirements": ["b"]},
        {"input_example": object()},
    ):
        with pytest.raises(ValueError, match=r"JSON|unknown serialization|cannot read|not both"):
            save_model(model, tmp_path / "m", **wrong)
    with pytest.raises(MisuseError, match="there is no such file or folder"):
        save_model(model, tmp_path / "m", code_paths=["nowhere"])
    assert list(tmp_path.iterdir()) == []
    save_model(model, tmp_path / "m", extra_pip_requirements=["a==1"], metadata={"who": "me"}, input_example=X)
    with pytest.raises(ValueError, match="there is something already"):
        save_model(model, tmp_path / "m")
    assert (tmp_path / "m" / "requirements.txt").read_text().splitlines()[-1] == "a==1"
    assert read_mlmodel(tmp_path / "m")["metadata"] == {"who": "me"}


def test_requirements_of_the_user_replace_ours(tmp_path):
    save_model(fitted()["logistic"][0], tmp_path / "m", pip_requirements=["scikit-learn", "mlflow-skinny"])
    assert (tmp_path / "m" / "requirements.txt").read_text() == "scikit-learn\nmlflow-skinny"
