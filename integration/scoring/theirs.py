"""`python -m integration.scoring.theirs FOLDER PORT`: models written by MLflow, and MLflow's scoring server over each.

Every model has its own path: `/named/invocations` and so on. A process of its own, so that ours stays without MLflow.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel, scoring_server
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property


class Echo(PythonModel):
    """Says what it was given: a model that shows how a request became data."""

    def predict(self, context, model_input, params=None):
        def told(data):
            if isinstance(data, pd.DataFrame):
                columns = {str(name): [str(column.dtype), *map(repr, column.tolist())] for name, column in data.items()}
                return {"frame": columns, "index": repr(data.index.tolist()), "names": repr(data.columns.tolist())}
            if isinstance(data, np.ndarray):
                return {"array": str(data.dtype), "shape": list(data.shape), "values": repr(data.tolist())}
            if isinstance(data, dict):
                return {"dict": {str(name): told(one) for name, one in data.items()}}
            if isinstance(data, list):
                return {"list": [told(one) for one in data]}
            return f"{type(data).__name__} {data!r}"

        return {"data": told(model_input), "params": told(params or {})}


class Answers(PythonModel):
    """Returns the kind of answer that the request names."""

    def predict(self, context, model_input, params=None):
        word = str(np.ravel(model_input)[0])
        if word == "raises":
            raise ValueError("this model cannot do that")
        return {
            "nan": np.array([1.0, np.nan, np.inf, -np.inf]),
            "float32": np.array([[0.1, 0.2]], dtype=np.float32),
            "float16": np.array([0.1], dtype=np.float16),
            "int8": np.array([1, -2], dtype=np.int8),
            "bool": np.array([True, False]),
            "text": np.array(["a", "ü", "\u2028"]),
            "bytes": np.array([b"a", b"bc"]),
            "object": np.array([1, "a", None, 2.5, b"x"], dtype=object),
            "dates": np.array(["2020-01-02", "2021-03-04"], dtype="datetime64[D]"),
            "instants": np.array(["2020-01-02T03:04:05.678901234"], dtype="datetime64[ns]"),
            "seconds": np.array(["2020-01-02T03:04:05"], dtype="datetime64[s]"),
            "frame": pd.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": ["x", None]}),
            "frame of dates": pd.DataFrame(
                {"d": pd.to_datetime(["2020-01-02", "2021-03-04T05:06:07"], format="mixed")}
            ),
            "frame of numbers": pd.DataFrame([[1, 2.5], [3, 4.5]]),
            "frame of pairs": pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])),
            "nullable": pd.DataFrame({"n": pd.array([1, 2], dtype="Int64")}),
            "series": pd.Series([1.5, 2.5], name="y"),
            "series without a name": pd.Series([1, 2]),
            "list": [1, 2.5, "a", None, True],
            "list of arrays": [np.array([1, 2]), np.float32(0.5), np.int64(3)],
            "dict": {"a": np.array([1.0]), "b": [np.int32(1)], "c": {"d": datetime.date(2020, 1, 2)}},
            "dict of numbers": {1: "a", 2.5: "b", False: "c", None: "d"},
            "scalar": np.float64(0.5),
            "integer": 7,
            "a text": "hello",
            "none": None,
            "moments": [datetime.datetime(2020, 1, 2, 3, 4, 5, 6), datetime.time(1, 2), pd.Timestamp("2020-01-02")],
            "raw bytes": b"abc" * 40,
            "empty": np.array([]),
            "empty frame": pd.DataFrame({"a": []}),
            "tuple": (1, (2, 3)),
            "big": 2**70,
            "nothing known": object(),
            "a set": {1},
            "complex": np.array([1j]),
            "duration": np.array([5], dtype="timedelta64[s]"),
            "period": [pd.Period("2020-01")],
            "missing": [pd.NA, pd.NaT],
        }[word]


class Hinted(PythonModel):
    """A model whose signature is its type hint."""

    def predict(self, model_input: list[dict[str, float]], params=None):
        return [sum(each.values()) for each in model_input]


class Without(PythonModel):
    """A model that takes no params."""

    def predict(self, context, model_input):
        return len(model_input)


def columns(*specs):
    return ModelSignature(inputs=Schema(list(specs)))


KINDS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
PARAMS = ParamSchema(
    [
        ParamSpec("temperature", DataType.double, 0.5),
        ParamSpec("n", DataType.long, 1),
        ParamSpec("words", DataType.string, ["a"], shape=(-1,)),
    ]
)
NESTED = Object([Property("x", DataType.double), Property("y", Array(DataType.string), required=False)])
SIGNATURES = {
    "free": None,
    "named": columns(*(ColSpec(kind, f"{kind}_", required=kind != "string") for kind in KINDS)),
    "numbers": columns(ColSpec("double", "x"), ColSpec("long", "n")),
    "optional": columns(ColSpec("double", "x"), ColSpec("long", "n", required=False)),
    "one": columns(ColSpec("double", "x")),
    "positions": columns(ColSpec("double"), ColSpec("long")),
    "text": columns(ColSpec("string")),
    "column": columns(ColSpec("string", "text")),
    "tensor": columns(TensorSpec(np.dtype("float32"), (-1, 3))),
    "tensors": columns(TensorSpec(np.dtype("int64"), (-1, 2), "a"), TensorSpec(np.dtype("float64"), (-1,), "b")),
    "texts": columns(TensorSpec(np.dtype("str"), (-1,))),
    "nested": columns(ColSpec(Array(DataType.long), "a"), ColSpec(NESTED, "o"), ColSpec(Map(DataType.double), "m")),
    "params": ModelSignature(inputs=Schema([ColSpec("double", "x")]), params=PARAMS),
    "only params": ModelSignature(params=PARAMS),
}


def save(folder: Path) -> None:
    """Write one model directory for each name."""
    for name, signature in SIGNATURES.items():
        mlflow.pyfunc.save_model(folder / name, python_model=Echo(), signature=signature, pip_requirements=[])
    others = {"answers": Answers(), "hinted": Hinted(), "without": Without()}
    for name, model in others.items():
        mlflow.pyfunc.save_model(folder / name, python_model=model, pip_requirements=[])
    regression(folder / "regression")


def regression(path: Path) -> None:
    """Write a linear regression of scikit-learn on three columns."""
    from sklearn.linear_model import LinearRegression

    X = pd.DataFrame({"a": [1.0, 2.0, 3.5], "b": [0.5, 1.5, 9.0], "c": [1, 2, 4]})
    model = LinearRegression().fit(X, [1.0, 2.0, 3.25])
    signature = mlflow.models.infer_signature(X, model.predict(X))
    mlflow.sklearn.save_model(model, path, signature=signature, pip_requirements=[])


def serve(folder: Path, port: int) -> None:
    """Serve every model that lies in the folder."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    served = [
        Mount(f"/{each.name}", app=scoring_server.init(mlflow.pyfunc.load_model(str(each))))
        for each in folder.iterdir()
    ]
    uvicorn.run(Starlette(routes=served), port=port, log_level="warning")


if __name__ == "__main__":
    save(Path(sys.argv[1]))
    serve(Path(sys.argv[1]), int(sys.argv[2]))
