"""Signatures of real numpy, pandas, scipy and polars data, beside MLflow's own and through MLflow's check."""

from __future__ import annotations

import datetime
import json
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from fitscribe.models.examples import input_example
from fitscribe.models.signature import infer_signature, schema_of

DAY = datetime.datetime(2024, 5, 1, 12)

# What MLflow describes in the same words.
ALIKE = {
    "floats": pd.DataFrame({"x": [1.0, 2.0]}),
    "floats with a hole": pd.DataFrame({"x": [1.0, np.nan]}),
    "small numbers": pd.DataFrame({"x": np.array([1], "int8"), "y": np.array([1], "uint16"), "z": [True]}),
    "32 bits": pd.DataFrame({"x": np.array([1], "int32"), "y": np.array([1], "uint32"), "z": np.array([1], "float32")}),
    "half floats": pd.DataFrame({"x": np.array([1], "float16")}),
    "texts": pd.DataFrame({"x": ["a", None]}),
    "objects": pd.DataFrame({"x": pd.Series(["a", None], dtype=object), "y": pd.Series([b"1", b"2"], dtype=object)}),
    "numbers as objects": pd.DataFrame({"x": pd.Series([1, np.nan, 2], dtype=object)}),
    "nothing": pd.DataFrame({"x": pd.Series([None, None], dtype=object)}),
    "dates": pd.DataFrame({"x": [DAY, DAY], "y": pd.Series([DAY.date()] * 2, dtype=object)}),
    "missing date": pd.DataFrame({"x": [DAY, pd.NaT]}),
    "nullable": pd.DataFrame({"x": pd.array([1, 2], "Int64"), "y": pd.array([1.5, None], "Float64")}),
    "numbered columns": pd.DataFrame(np.ones((2, 3))),
    "lists": pd.DataFrame({"x": [[1, 2], [3]], "y": [np.ones(2), np.ones(2)]}),
    "dicts": pd.DataFrame({"x": [{"b": 1, "a": "t"}, {"b": 2}]}),
    "one column": pd.Series([1, 2], name="y"),
    "no name": pd.Series([1.0, 2.0]),
    "matrix": np.ones((4, 3)),
    "vector of texts": np.array(["a", "bcd"]),
    "vector of objects": np.array(["a", 1], dtype=object),
    "images": np.zeros((2, 8, 8, 3), dtype=np.uint8),
    "csr": scipy.sparse.csr_matrix(np.eye(4, 3)),
    "csc": scipy.sparse.csc_matrix(np.eye(4, 3, dtype=np.float32)),
    "named arrays": {"a": np.ones((4, 3)), "b": np.zeros(4, dtype=np.int32)},
    "records": [{"a": 1, "b": "x"}, {"a": 2}],
    "list": [1, 2, 3],
    "list of lists": [[1, 2], [3, 4]],
    "empty list": [],
    "mapping": {"a": 1.5, "b": ["x", "y"], "c": None},
    "scalar": "a text",
}

# What MLflow has no words for, or gives a type that its own check then refuses.
OTHERWISE = {
    "categories": (pd.DataFrame({"x": pd.Categorical(["a", "b"])}), "any", True),
    "numbered categories": (pd.DataFrame({"x": pd.Categorical([1, None])}), "any", False),
    "arrow integers with a hole": (pd.DataFrame({"x": pd.array([1, None], "int64[pyarrow]")}), "any", False),
    "arrow integers": (pd.DataFrame({"x": pd.array([1, 2], "int64[pyarrow]")}), "long", True),
    "arrow texts": (pd.DataFrame({"x": pd.array(["a", None], "string[pyarrow]")}), "string", False),
    "arrow dates": (pd.DataFrame({"x": pd.array([DAY.date()], "date32[day][pyarrow]")}), "datetime", True),
    "python strings": (pd.DataFrame({"x": pd.array(["a", None], "string[python]")}), "string", False),
    "intervals": (pd.DataFrame({"x": pd.interval_range(0, 2)}), "any", True),
    "time zone": (pd.DataFrame({"x": pd.date_range("2024", periods=2, tz="UTC")}), "any", True),
    "nullable integers with a hole": (pd.DataFrame({"x": pd.array([1, None], "Int64")}), "any", False),
    "nullable booleans with a hole": (pd.DataFrame({"x": pd.array([True, None], "boolean")}), "any", False),
    "durations": (pd.DataFrame({"x": [datetime.timedelta(1)]}), "any", True),
    "large unsigned": (pd.DataFrame({"x": np.array([1], "uint64")}), "any", True),
    "complex": (pd.DataFrame({"x": [1j]}), "any", True),
    "periods": (pd.DataFrame({"x": pd.period_range("2024", periods=2)}), "any", True),
    "sparse column": (pd.DataFrame({"x": pd.arrays.SparseArray([0.0, 1.0])}), "any", True),
    "mixed objects": (pd.DataFrame({"x": pd.Series([1, "a"], dtype=object)}), "any", True),
    "integers with None": (pd.DataFrame({"x": pd.Series([1, None], dtype=object)}), "double", False),
}


@pytest.fixture(scope="module")
def theirs(ask_mlflow):
    """What MLflow infers, and what its check says of our signatures on the data they were made from."""
    everything = {**ALIKE, **{name: data for name, (data, _, _) in OTHERWISE.items()}}
    infer = [("infer", (data,), {}) for data in ALIKE.values()]
    enforce = [("enforce", (infer_signature(data).to_dict(), data), {}) for data in everything.values()]
    answers = ask_mlflow(infer + enforce)
    return dict(zip(ALIKE, answers, strict=False)), dict(zip(everything, answers[len(infer) :], strict=True))


@pytest.mark.parametrize("name", ALIKE)
def test_signature_is_mlflows(theirs, name):
    ours = infer_signature(ALIKE[name]).to_dict()["inputs"]
    assert json.loads(ours) == json.loads(theirs[0][name]["inputs"])


@pytest.mark.parametrize("name", OTHERWISE)
def test_column_that_mlflow_stumbles_over(name):
    data, kind, required = OTHERWISE[name]
    assert infer_signature(data).inputs == [{"type": kind, "name": "x", "required": required}]


# MLflow's check turns a list of rows into a DataFrame of several columns, whatever the signature says.
REFUSED_BY_ITSELF = {"list of lists", "empty list"}


@pytest.mark.parametrize("name", sorted({*ALIKE, *OTHERWISE} - REFUSED_BY_ITSELF))
def test_data_passes_mlflows_check_of_its_own_signature(theirs, name):
    assert theirs[1][name] == "passed"


def test_schema_of_a_dataset_keeps_what_a_column_is():
    data = pd.DataFrame(
        {
            "c": pd.Categorical(["a", None]),
            "t": pd.date_range("2024", periods=2, tz="UTC"),
            "n": pd.array([1, None], "Int8"),
        }
    )
    assert schema_of(data) == [
        {"type": "string", "name": "c", "required": False},
        {"type": "datetime", "name": "t", "required": True},
        {"type": "integer", "name": "n", "required": False},
    ]


def test_polars_frame():
    data = pl.DataFrame(
        {
            "i": pl.Series([1, None], dtype=pl.Int32),
            "u": pl.Series([1, 2], dtype=pl.UInt64),
            "f": [1.0, 2.0],
            "s": ["a", "b"],
            "c": pl.Series(["a", "b"], dtype=pl.Categorical),
            "d": [DAY, DAY],
            "l": [[1.0], [2.0]],
            "o": [{"b": 1, "a": True}] * 2,
        }
    )
    assert infer_signature(data).inputs == [
        {"type": "integer", "name": "i", "required": False},
        {"type": "any", "name": "u", "required": True},
        {"type": "double", "name": "f", "required": True},
        {"type": "string", "name": "s", "required": True},
        {"type": "string", "name": "c", "required": True},
        {"type": "datetime", "name": "d", "required": True},
        {"type": "array", "items": {"type": "double"}, "name": "l", "required": True},
        {
            "type": "object",
            "properties": {"a": {"type": "boolean", "required": True}, "b": {"type": "long", "required": True}},
            "name": "o",
            "required": True,
        },
    ]
    assert infer_signature(data["f"]).inputs == [{"type": "double", "name": "f", "required": True}]


def test_hole_far_down_a_long_column_is_seen():
    values = np.ones(300_000)
    values[-2] = np.nan
    data = pd.DataFrame({"x": values, "y": np.ones(300_000), "inf": np.full(300_000, np.inf)})
    assert [column["required"] for column in schema_of(data)] == [False, True, True]


def test_large_frame_takes_no_time():
    data = pd.DataFrame(np.ones((400_000, 60)))
    began = time.perf_counter()
    infer_signature(data, data[0])
    assert time.perf_counter() - began < 0.5  # MLflow: 20 s


def test_examples_keep_five_rows_and_make_holes_null():
    frame = pd.DataFrame({"a": [1.5, np.nan, 3, 4, 5, 6], "t": [DAY] * 6, "s": ["x", None] * 3})
    made = input_example(frame)
    assert made.info == {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "dataframe",
        "pandas_orient": "split",
    }
    rows = [
        [value, "2024-05-01T12:00:00", "x" if at % 2 == 0 else None] for at, value in enumerate([1.5, None, 3, 4, 5])
    ]
    assert json.loads(made.example) == {"columns": ["a", "t", "s"], "data": rows}
    assert json.loads(made.serving) == {"dataframe_split": {"columns": ["a", "t", "s"], "data": rows}}


@pytest.mark.parametrize(
    ("data", "kind", "example"),
    [
        (np.array([[1, 2]]), "ndarray", [[1, 2]]),
        (np.array([np.nan, 1]), "ndarray", [None, 1.0]),
        ({"a": np.ones(2)}, "ndarray", {"a": [1.0, 1.0]}),
        (pd.DataFrame(np.eye(2)), "dataframe", {"data": [[1.0, 0.0], [0.0, 1.0]]}),
        (pd.Series([1, 2], name="y"), "dataframe", {"columns": ["y"], "data": [[1], [2]]}),
        (pl.DataFrame({"a": [1, None]}), "dataframe", {"columns": ["a"], "data": [[1], [None]]}),
        (
            scipy.sparse.csr_matrix(np.eye(2)),
            "sparse_matrix_csr",
            {"data": [1.0, 1.0], "indices": [0, 1], "indptr": [0, 1, 2], "shape": [2, 2]},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_example_of_each_kind(data, kind, example):
    made = input_example(data)
    assert (made.info["type"], json.loads(made.example)) == (kind, example)
