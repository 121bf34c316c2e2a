"""Models made to do harm, with the real frameworks; and honest ones of others, which need no more than a word."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fitscribe
from fitscribe.errors import FitscribeError, MisuseError, UntrustedModel
from fitscribe.models import trust
from fitscribe.models.format import mlmodel_text, read_mlmodel
from integration.models.hostile import CANARY, Evil, mlmodel

SCRIPT = Path(__file__).with_name("hostile.py")
X, Y = np.arange(20.0).reshape(10, 2), np.arange(10.0)


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path, monkeypatch):
    """Work in an empty folder, in which no canary is made."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.rglob("canary"))


def what_became(framework, folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHONPATH"))}
    command = [sys.executable, str(SCRIPT), framework, "answers"]
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return pickle.loads((folder / "answers").read_bytes())


@pytest.mark.parametrize(
    ("framework", "packages", "loaded", "refused"),
    [
        ("torch", ["torch"], set(), 18),
        ("keras", ["keras", "tensorflow"], {"a harmless model"}, 19),
    ],
)
def test_hostile_files_of_frameworks_run_nothing(framework, packages, loaded, refused, tmp_path):
    for package in packages:
        pytest.importorskip(package, reason="the frameworks are installed where everything is tested")
    answers = what_became(framework, tmp_path)
    assert not (tmp_path / "canary").exists()
    assert {name.partition(",")[0] for name, said in answers.items() if said.startswith("loaded")} == loaded
    others = {name: said for name, said in answers.items() if not said.startswith("loaded")}
    assert len(others) >= refused
    assert [
        name for name, said in others.items() if said.startswith("UntrustedModel") and "trust=True" not in said
    ] == []


class Mine:
    """A class that skops does not know."""

    def __init__(self):
        self.value = 1


def skops_model(folder, model, **flavor):
    import skops.io

    entry = {"pickled_model": "model.skops", "serialization_format": "skops", **flavor}
    answers = {"loader_module": "mlflow.sklearn", "model_path": "model.skops", "predict_fn": "predict"}
    mlmodel(folder, {"sklearn": entry, "python_function": answers})
    skops.io.dump(model, folder / "model.skops")
    return folder


def test_types_that_the_file_trusts_are_not_trusted(tmp_path):
    name = f"{Mine.__module__}.Mine"
    folder = skops_model(tmp_path / "m", Mine(), skops_trusted_types=[name])
    for load in (fitscribe.sklearn.load_model, fitscribe.pyfunc.load_model):
        with pytest.raises(MisuseError, match=r"holds types that skops does not know: .*Mine"):
            load(folder)
    assert fitscribe.sklearn.load_model(folder, trusted=[name]).value == 1


@pytest.mark.parametrize(
    "loader", ["ObjectNode", "FunctionNode", "MethodNode", "OperatorFuncNode", "TypeNode", "ReduceNode"]
)
def test_skops_file_that_names_what_runs_code(tmp_path, loader):
    from sklearn.linear_model import LinearRegression

    folder = skops_model(tmp_path / "m", LinearRegression().fit(X, Y))
    with zipfile.ZipFile(folder / "model.skops") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(entries["schema.json"])
    evil = {"__class__": "exec", "__module__": "builtins", "__loader__": loader, "__id__": 1}
    inner = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": json.dumps(CANARY)}
    parts = {"content": {**evil, "content": inner}, "func": "exec", "args": inner, "attrs": inner, "obj": inner}
    schema["content"]["content"]["coef_"] = {**evil, **parts}
    entries["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    for load in (fitscribe.sklearn.load_model, fitscribe.pyfunc.load_model):
        with pytest.raises(FitscribeError):
            load(folder)


def test_skops_file_that_is_a_bomb(tmp_path):
    from sklearn.linear_model import LinearRegression

    folder = skops_model(tmp_path / "m", LinearRegression().fit(X, Y))
    with zipfile.ZipFile(folder / "model.skops", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("more.npy", bytes(300_000_000))
    for load in (fitscribe.sklearn.load_model, fitscribe.pyfunc.load_model):
        with pytest.raises(MisuseError, match="would unpack into 300,"):
            load(folder)


def test_skops_model_that_was_made_a_pickle(tmp_path):
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, Y)
    fitscribe.sklearn.save_model(model, tmp_path / "m", serialization_format="skops")
    assert fitscribe.sklearn.load_model(tmp_path / "m").coef_.tolist() == model.coef_.tolist()
    (tmp_path / "m" / "model.skops").write_bytes(pickle.dumps(Evil()))
    content = read_mlmodel(tmp_path / "m")
    content["flavors"]["sklearn"]["serialization_format"] = "pickle"
    (tmp_path / "m" / "MLmodel").write_text(mlmodel_text(content))
    for load in (fitscribe.sklearn.load_model, fitscribe.pyfunc.load_model):
        with pytest.raises(UntrustedModel, match="MLmodel was edited after it was signed"):
            load(tmp_path / "m")


def test_logged_model_is_signed_and_loads_without_a_word_and_an_edited_one_does_not(tmp_path):
    from sklearn.linear_model import LinearRegression

    with fitscribe.start_run() as run:
        logged = fitscribe.sklearn.log_model(LinearRegression().fit(X, Y), name="model")
    fitscribe.flush()
    assert fitscribe.pyfunc.load_model(logged.model_uri).predict(X[:1]) == pytest.approx(Y[:1])
    place = Path(fitscribe.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="model", dst_path="copy"))
    assert fitscribe.sklearn.load_model(place).predict(X[:1]) == pytest.approx(Y[:1])
    (place / "model.pkl").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UntrustedModel, match=r"model\.pkl was edited after it was signed"):
        fitscribe.sklearn.load_model(place)


def test_model_of_mlflow_needs_a_word_and_what_mlflow_rewrites_of_ours_does_not(tmp_path, ask_mlflow):
    from sklearn.linear_model import LinearRegression

    fitscribe.sklearn.save_model(LinearRegression().fit(X, Y), tmp_path / "ours")
    how = {"serialization_format": "cloudpickle"}
    ask_mlflow([("save", (tmp_path / "ours", tmp_path / "theirs"), how), ("sign", (tmp_path / "ours", X), {})])
    with pytest.raises(UntrustedModel, match=r"run code from model\.pkl, and it is not signed"):
        fitscribe.sklearn.load_model(tmp_path / "theirs")
    assert fitscribe.sklearn.load_model(tmp_path / "theirs", trust=True).predict(X[:1]) == pytest.approx(Y[:1])
    content = read_mlmodel(tmp_path / "ours")
    assert content["signature"]["inputs"]  # which MLflow has written
    assert trust.unsigned_because(tmp_path / "ours", content) == ""
    assert fitscribe.sklearn.load_model(tmp_path / "ours").predict(X[:1]) == pytest.approx(Y[:1])
