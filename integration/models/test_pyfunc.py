"""Models asked by `predict`: data against signatures, and python models between us and the real MLflow."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest
from scipy import sparse

import fitscribe
from fitscribe.errors import SignatureMismatch
from fitscribe.models import ModelSignature, infer_signature
from fitscribe.models.enforcement import fitting
from integration.other_servers import installed

DAY = pd.Timestamp("2024-05-01")
EVERY = pd.DataFrame(
    {
        "whole": [1, 2],
        "small": np.array([1, 2], dtype="int32"),
        "real": [0.5, 1.5],
        "narrow": np.array([0.5, 1.5], dtype="float32"),
        "text": ["a", "b"],
        "yes": [True, False],
        "when": [DAY, DAY],
        "raw": [b"x", b"y"],
        "list": [[1, 2], [3]],
        "object": [{"a": 1}, {"a": 2}],
    }
)


def columns(**types):
    return [{"type": kind, "name": name, "required": True} for name, kind in types.items()]


def kinds(frame):
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def test_data_that_the_signature_was_made_of_passes_untouched():
    inputs = infer_signature(EVERY).inputs
    assert fitting(EVERY, inputs) is not None
    pd.testing.assert_frame_equal(fitting(EVERY, inputs), EVERY)


def test_columns_come_in_the_order_of_the_signature_and_others_are_dropped():
    shuffled = EVERY[EVERY.columns[::-1]].assign(more=1)
    pd.testing.assert_frame_equal(fitting(shuffled, infer_signature(EVERY).inputs), EVERY)


@pytest.mark.parametrize(
    "data",
    [
        polars.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}),
        polars.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}).to_arrow(),
        {"a": [1, 2], "b": [0.5, 1.5]},
        {"a": np.array([1, 2]), "b": np.array([0.5, 1.5])},
        [{"a": 1, "b": 0.5}, {"b": 1.5, "a": 2}],
        np.array([[1, 0.5], [2, 1.5]]),
        [[1, 0.5], [2, 1.5]],
        pd.DataFrame({"b": [0.5, 1.5], "a": [1.0, 2.0]}),
        pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}, dtype=object),
        pd.DataFrame({"a": pd.array([1, 2], dtype="Int64"), "b": [0.5, 1.5]}),
    ],
    ids=lambda data: type(data).__module__.partition(".")[0],
)
def test_the_same_table_in_any_kind_is_one(data):
    expected = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    pd.testing.assert_frame_equal(fitting(data, columns(a="long", b="double")), expected)


def test_one_row_as_a_dict():
    assert fitting({"a": 1, "b": 0.5}, columns(a="long", b="double")).shape == (1, 2)
    inputs = [{"type": "array", "items": {"type": "long"}, "name": "a", "required": True}]
    assert fitting({"a": [1, 2]}, inputs)["a"].tolist() == [[1, 2]]
    assert fitting({"a": [[1, 2], [3]]}, inputs)["a"].tolist() == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2], "double"),  # W: whole numbers where the training data had fractions
        ([1.0, 2.0], "long"),
        (pd.array([1, None], dtype="Int64"), "double"),
        ([1.0, np.nan], "long"),
        ([None, 2], "long"),
        (pd.Series([1, 2], dtype="uint8"), "integer"),
        (pd.Series([1, 2], dtype="int64"), "integer"),
        (pd.Categorical(["a", "b"]), "string"),
        (["a", None], "string"),
        (pd.Series(["a", None], dtype="string"), "string"),
        (["2024-05-01", "2024-05-02T10:00:00"], "datetime"),
        ([datetime.date(2024, 5, 1), DAY], "datetime"),
        (pd.Series([DAY, DAY]).dt.tz_localize("UTC"), "datetime"),
        ([True, None], "boolean"),
        ([1, 2], "any"),
        ([0.5, 1.5], "float"),
    ],
)
def test_no_false_alarm(values, kind):
    frame = pd.DataFrame({"a": values})
    assert len(fitting(frame, columns(a=kind))) == 2


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (
            ["x", "y"],
            "double",
            r"the column 'a' is \w+, and .* asks for double; row 0 holds 'x' \(str\)",
        ),
        ([1.0, 1.5], "long", r"asks for long; row 1 holds 1.5 .*; if the column may hold fractions"),
        ([1, 2**40], "integer", r"asks for integer; row 1 holds 1099511627776"),
        ([1, "2"], "long", r"row 1 holds '2' \(str\)"),
        ([True, False], "long", r"asks for long; row 0 holds True"),
        ([1, 0], "boolean", "asks for boolean; row 0 holds 1"),
        ([1, 2], "string", "asks for string; row 0 holds 1"),
        (["soon", "later"], "datetime", "asks for datetime"),
        ([2**60, 1], "double", "asks for double"),
        ([0.1, 0.2], "float", "asks for float"),
        ([1j, 2j], "double", "asks for double"),
        (["ab", "cd"], "binary", "asks for binary"),
    ],
)
def test_what_does_not_fit_is_named(values, kind, words):
    with pytest.raises(SignatureMismatch, match=words):
        fitting(pd.DataFrame({"a": values}), columns(a=kind))


def test_missing_column_is_named_and_an_optional_one_may_be():
    inputs = [*columns(a="long", b="long"), {"type": "long", "name": "c", "required": False}]
    with pytest.raises(SignatureMismatch, match=r"no column 'b', which .*; it has 'a', 'B'"):
        fitting(pd.DataFrame({"a": [1], "B": [1]}), inputs)
    assert list(fitting(pd.DataFrame({"a": [1], "b": [2]}), inputs).columns) == ["a", "b"]


def test_columns_that_are_numbers_are_no_alarm():
    trained = pd.DataFrame(np.eye(3))
    inputs = infer_signature(trained).inputs
    pd.testing.assert_frame_equal(fitting(trained, inputs), trained, check_column_type=False)
    as_json = trained.rename(columns=str)
    assert fitting(as_json, inputs).to_numpy().tolist() == np.eye(3).tolist()
    assert fitting(np.eye(3), inputs).shape == (3, 3)
    named = infer_signature(as_json).inputs
    assert fitting(trained, named).columns.tolist() == ["0", "1", "2"]


def test_two_columns_of_one_name_are_not_mixed_up():
    twice = pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"])
    assert fitting(twice[["b"]], columns(b="long"))["b"].tolist() == [3]


def test_table_with_a_column_twice_is_refused_by_name():
    twice = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(SignatureMismatch, match="more than one column 'a'"):
        fitting(twice, columns(a="long"))


def test_labels_that_are_pairs_or_dates_stay_what_the_model_was_trained_on():
    for labels in (pd.MultiIndex.from_tuples([("a", "x"), ("a", "y")]), pd.to_datetime(["2020-01-01", "2021-01-01"])):
        frame = pd.DataFrame([[1.0, 2.0]], columns=labels)
        assert list(fitting(frame[frame.columns[::-1]], infer_signature(frame).inputs).columns) == list(labels)


def test_one_row_of_a_frame_and_one_column_of_it():
    inputs = columns(a="long", b="double")
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    pd.testing.assert_frame_equal(fitting(frame.iloc[0], inputs), frame[:1])
    assert fitting(pd.Series([1, 2]), columns(a="long"))["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "data",
    [np.ones((2, 3)), [1, 2, 3], 5, None, [], iter(())],
    ids=["array", "list", "number", "None", "no rows", "iterator"],
)
def test_data_without_names_is_counted(data):
    with pytest.raises(SignatureMismatch, match=r"no names for its columns \(\d\), and .* asks for 2: 'a', 'b'"):
        fitting(data, columns(a="long", b="double"))


def test_lazy_frame_is_not_collected_behind_the_users_back():
    with pytest.raises(SignatureMismatch, match=r"give data\.collect\(\)"):
        fitting(polars.DataFrame({"a": [1]}).lazy(), columns(a="long"))


@pytest.mark.parametrize("dtype", ["float64[pyarrow]", "int64[pyarrow]", "float16", "Float32", "uint8"])
def test_dtypes_of_other_libraries_are_no_alarm(dtype):
    found = fitting(pd.DataFrame({"a": [1, 2], "b": [1, 2]}).astype(dtype), columns(a="long", b="double"))
    assert kinds(found) == {"a": "int64", "b": "float64"}


def test_nested_value_that_does_not_fit_is_found():
    inputs = infer_signature(EVERY[["list", "object"]]).inputs
    bad = pd.DataFrame({"list": [[1, 2], [3, "x"]], "object": [{"a": 1}, {"a": 2}]})
    with pytest.raises(SignatureMismatch, match=r"row 1 .*: list\[1\] is 'x' \(str\) and no long"):
        fitting(bad, inputs)
    with pytest.raises(SignatureMismatch, match=r"row 0 .*: object has no 'a'"):
        fitting(pd.DataFrame({"list": [[1]], "object": [{"b": 1}]}), inputs)


def tensor(dtype, *shape, **more):
    return [{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": list(shape)}, **more}]


def test_tensors_are_cast_where_nothing_is_lost_and_their_shapes_compared():
    inputs = tensor("float32", -1, 2)
    assert fitting(np.ones((3, 2)), inputs).dtype == np.float32
    assert fitting([[1, 2]], inputs).shape == (1, 2)
    assert fitting(pd.DataFrame({"a": [1, 2], "b": [3, 4]}), inputs).shape == (2, 2)
    assert fitting(sparse.eye(2, format="csr"), tensor("float64", -1, 2)).format == "csr"
    assert fitting(np.array([1.0, 2.0]), tensor("int64", -1)).dtype == np.int64
    with pytest.raises(SignatureMismatch, match=r"shape \(3, 5\), and the model's signature asks for \(any, 2\)"):
        fitting(np.ones((3, 5)), inputs)
    with pytest.raises(SignatureMismatch, match="the data is float64, and the model's signature asks for int64"):
        fitting(np.array([1.5]), tensor("int64", -1))
    with pytest.raises(SignatureMismatch, match="rows of different lengths"):
        fitting([[1], [1, 2]], inputs)
    with pytest.raises(SignatureMismatch, match="and the model's signature asks for float32"):
        fitting(np.array([["a", "b"]]), inputs)


def test_named_tensors():
    inputs = [*tensor("float32", -1, 2, name="x"), *tensor("int64", -1, name="y")]
    found = fitting({"x": np.ones((1, 2)), "y": np.array([1]), "z": 0}, inputs)
    assert {name: str(one.dtype) for name, one in found.items()} == {"x": "float32", "y": "int64"}
    with pytest.raises(SignatureMismatch, match="no tensor 'y'; it has 'x'"):
        fitting({"x": np.ones((1, 2))}, inputs)
    with pytest.raises(SignatureMismatch, match="the tensors 'x', 'y': give a dict of them, not ndarray"):
        fitting(np.ones((1, 2)), inputs)


def test_large_table_is_checked_in_no_time():
    import time

    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(200_000, 20)), columns=[f"c{i}" for i in range(20)])
    inputs = infer_signature(frame).inputs
    began = time.perf_counter()
    fitting(frame, inputs)
    assert time.perf_counter() - began < 1


# between us and MLflow

THEIRS = """
import sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
import mlflow

frame = pd.DataFrame({"a": [1, 2, 3]})
for name in sys.argv[1].split(","):
    model = mlflow.pyfunc.load_model(name)
    print(name, [int(one) for one in model.predict(frame)], model.metadata.signature is not None)
print("fitscribe" in sys.modules)
"""


def ask(python, *names):
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    command = [python, "-c", THEIRS, ",".join(names)]
    done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def ours(folder):
    """Python models of every kind, saved by us."""

    class Adder(fitscribe.pyfunc.PythonModel):
        def load_context(self, context):
            self.number = int(Path(context.artifacts["number"]).read_text())

        def predict(self, context, model_input, params=None):
            return model_input["a"] + self.number

    class Plain:
        def predict(self, data):
            return data["a"] * 3

    frame = pd.DataFrame({"a": [1, 2, 3]})
    Path("number.txt").write_text("7")
    save = fitscribe.pyfunc.save_model
    save(folder / "adder", python_model=Adder(), artifacts={"number": "number.txt"}, input_example=frame)
    save(folder / "function", python_model=lambda data: data["a"] * 2, input_example=frame)
    save(folder / "plain", python_model=Plain(), signature=infer_signature(frame))
    return {"adder": [8, 9, 10], "function": [2, 4, 6], "plain": [3, 6, 9]}


@pytest.fixture(params=["newest", "2.x"])
def python(request):
    return sys.executable if request.param == "newest" else str(installed("mlflow-2") / "python")


def test_python_models_of_ours_answer_in_mlflow_without_fitscribe(tmp_path, monkeypatch, python):
    monkeypatch.chdir(tmp_path)
    answers = ours(tmp_path)
    found = ask(python, *(str(tmp_path / name) for name in answers))
    assert found == [*(f"{tmp_path / name} {answer} True" for name, answer in answers.items()), "False"]


WRITING = """
import sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
import mlflow

frame = pd.DataFrame({"a": [1, 2, 3]})

class Adder(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.number = int(open(context.artifacts["number"]).read())
    def predict(self, context, model_input, params=None):
        return model_input["a"] + self.number + (params or {}).get("more", 0)

open("number.txt", "w").write("7")
open("config.yaml", "w").write("by: 5")
open("script.py", "w").write('''
import mlflow
config = mlflow.models.ModelConfig(development_config="config.yaml")
class Scaling(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input["a"] * config.get("by")
mlflow.models.set_model(Scaling())
''')
save = mlflow.pyfunc.save_model
save("adder", python_model=Adder(), artifacts={"number": "number.txt"}, input_example=(frame, {"more": 1}))
save("function", python_model=lambda data: data["a"] * 2, input_example=frame, pip_requirements=[])
save("script", python_model="script.py", model_config="config.yaml", input_example=frame, pip_requirements=[])
"""


def test_python_models_of_mlflow_answer_here(tmp_path, monkeypatch, python):
    monkeypatch.chdir(tmp_path)
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    command = [python, "-c", WRITING]
    done = subprocess.run(command, env=os.environ | quiet, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    frame = pd.DataFrame({"a": [1, 2, 3]})
    reading = """
import sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
import fitscribe

frame = pd.DataFrame({"a": [1, 2, 3]})
for name in ("adder", "function", "script"):
    model = fitscribe.pyfunc.load_model(name, trust=True, suppress_warnings=True)
    print(name, [int(one) for one in model.predict(frame)])
print([int(one) for one in fitscribe.pyfunc.load_model("adder", trust=True).predict(frame, {"more": 10})])
"""
    done = subprocess.run(
        [sys.executable, "-c", reading], capture_output=True, text=True, check=False, env=os.environ | quiet
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == [
        "adder [9, 10, 11]",
        "function [2, 4, 6]",
        "script [5, 10, 15]",
        "[18, 19, 20]",
    ]
    metadata = fitscribe.models.Model.load("adder")
    assert metadata.load_input_example_params("adder") == {"more": 1}
    pd.testing.assert_frame_equal(metadata.load_input_example("adder"), frame)
    assert isinstance(metadata.signature, ModelSignature)
