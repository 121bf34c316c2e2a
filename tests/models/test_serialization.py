"""Objects to a file and back, and the modules that they need."""

from __future__ import annotations

import decimal
import fractions
import functools
import operator
import threading

import msgspec
import pytest
import yaml

from fitscribe.errors import MisuseError, NotFoundError
from fitscribe.models import serialization
from fitscribe.models.sklearn import load_model


class Local:
    """A class of the test itself."""

    def __eq__(self, other):
        return isinstance(other, Local)

    __hash__ = None


class Exploding:
    """Loading this runs code."""

    def __reduce__(self):
        return print, ("boom",)


@pytest.mark.parametrize("serialization_format", ["cloudpickle", "pickle"])
def test_object_comes_back_with_the_modules_it_needs(tmp_path, serialization_format):
    model = {"a": fractions.Fraction(1, 3), "b": [decimal.Decimal(2)] * 3, "c": functools.partial(operator.add, 1)}
    modules = serialization.dump(model, tmp_path / "m", serialization_format)
    assert modules == {"fractions", "decimal", "functools", "_operator"}
    back = serialization.load(tmp_path / "m", serialization_format)
    assert (back["a"], back["b"], back["c"](2)) == (model["a"], model["b"], 3)


def test_lambda_comes_back_and_tells_what_it_uses(tmp_path):
    modules = serialization.dump(
        [lambda text: [*yaml.safe_load(text), 2], msgspec.UNSET], tmp_path / "m", "cloudpickle"
    )
    assert {"yaml", "cloudpickle.cloudpickle"} <= modules
    assert serialization.load(tmp_path / "m", "cloudpickle")[0]("[1]") == [1, 2]


def test_modules_of_writes_nothing(tmp_path):
    assert serialization.modules_of(fractions.Fraction(1, 2)) == {"fractions"}
    assert list(tmp_path.iterdir()) == []


def test_object_that_claims_every_attribute(tmp_path):
    class Odd:
        def __getattr__(self, name):
            raise RuntimeError(name) if name == "__name__" else AttributeError(name)

    assert "fractions" in serialization.modules_of([Odd(), fractions.Fraction(1)])


@pytest.mark.parametrize(
    ("model", "serialization_format", "words"),
    [
        (threading.Lock(), "cloudpickle", "this lock cannot be pickled: cannot pickle '_thread.lock' object$"),
        (lambda: 1, "pickle", "this function cannot be pickled: .*serialization_format='cloudpickle' takes functions"),
    ],
)
def test_model_that_cannot_be_pickled_leaves_no_file(tmp_path, model, serialization_format, words):
    with pytest.raises(MisuseError, match=words) as raised:
        serialization.dump(model, tmp_path / "m", serialization_format)
    assert raised.value.__cause__ is not None
    assert list(tmp_path.iterdir()) == []


def test_error_of_the_models_own_passes_and_leaves_no_file(tmp_path):
    class Mine(Exception):
        pass

    class Refusing:
        def __reduce__(self):
            raise Mine

    with pytest.raises(Mine):
        serialization.dump(Refusing(), tmp_path / "m", "cloudpickle")
    assert list(tmp_path.iterdir()) == []


def test_unknown_format():
    with pytest.raises(MisuseError, match="unknown serialization format 'onnx'; use one of cloudpickle, pickle, skops"):
        serialization.check_format("onnx")


def model_folder(tmp_path, mlmodel, model=None):
    (tmp_path / "MLmodel").write_text(mlmodel)
    serialization.dump(model, tmp_path / "model.pkl", "cloudpickle")
    return tmp_path


PICKLED = "flavors: {sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}}"


@pytest.mark.parametrize("mlmodel", [PICKLED, "flavors: {sklearn: {pickled_model: model.pkl}}"])
def test_model_is_loaded_from_its_folder(tmp_path, mlmodel):
    assert load_model(model_folder(tmp_path, mlmodel, fractions.Fraction(1, 3)), trust=True) == fractions.Fraction(1, 3)


def test_no_pickle_runs_where_it_is_forbidden(tmp_path, monkeypatch, capsys):
    folder = model_folder(tmp_path, PICKLED, Exploding())
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "False")
    with pytest.raises(MisuseError, match="is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids"):
        load_model(folder, trust=True)
    assert capsys.readouterr().out == ""
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    load_model(folder, trust=True)
    assert capsys.readouterr().out == "boom\n"


@pytest.mark.parametrize(
    ("mlmodel", "words"),
    [
        ("flavors: {keras: {}, python_function: {}}", "is no sklearn model; its flavors: keras, python_function"),
        ("flavors: {sklearn: {pickled_model: ../model.pkl}}", "names '../model.pkl'; no such file"),
        ("flavors: {sklearn: {pickled_model: model.pkl, serialization_format: joblib}}", "format 'joblib'"),
    ],
)
def test_folder_that_cannot_be_loaded_says_why(tmp_path, mlmodel, words):
    with pytest.raises(MisuseError, match=words):
        load_model(model_folder(tmp_path, mlmodel))


def test_folder_that_holds_no_model(tmp_path):
    with pytest.raises(NotFoundError, match="no model in"):
        load_model(tmp_path)
