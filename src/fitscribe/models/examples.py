"""An input example: the first rows of the data, as the JSON files that MLflow's loaders read."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import msgspec

from fitscribe.errors import MisuseError
from fitscribe.models.kinds import is_a, is_array, is_null, kind_of

__all__ = [
    "EXAMPLE_FILE",
    "ROWS",
    "SERVING_FILE",
    "Example",
    "convert_input_example_to_serving_input",
    "first_rows",
    "input_example",
    "with_params",
]

EXAMPLE_FILE = "input_example.json"
SERVING_FILE = "serving_input_example.json"
ROWS = 5


class Example(msgspec.Struct, frozen=True):
    """An example as text: `info` for the MLmodel file, and the contents of its two files."""

    info: dict[str, str]
    example: str
    serving: str

    def files(self) -> dict[str, str]:
        """Return the files' contents by name."""
        return {EXAMPLE_FILE: self.example, SERVING_FILE: self.serving}


def first_rows(data: Any, rows: int = ROWS) -> Any:
    """Return the first rows of data, in the kind of object it came in; what has no rows is returned whole."""
    kind = kind_of(data)
    if kind in ("frame", "series"):
        return data.iloc[:rows]
    if kind == "arrays":
        return {name: array[:rows] for name, array in data.items()}
    if kind == "sparse":
        return (data if data.format in ("csr", "csc") else data.tocsr())[:rows]
    if kind in ("polars frame", "polars series"):
        return data.head(rows)
    if kind in ("arrow", "arrow column"):
        return data.slice(0, rows)
    return data if kind in ("mapping", "other") else data[:rows]


def with_params(data: Any) -> tuple[Any, dict[str, Any] | None]:
    """Split `(data, {param: value})`, as MLflow has examples with inference params; other data comes back alone."""
    if isinstance(data, tuple) and len(data) == 2 and isinstance(data[1], dict):
        return data
    return data, None


def input_example(data: Any, rows: int = ROWS) -> Example:
    """Return the first rows of data as an example; `(data, params)` is one with inference params.

    `MisuseError`: data that has no JSON form.
    """
    data, params = with_params(data)
    made = _of_rows(first_rows(data, rows))
    if params is None:
        return made
    given = _plain(params)
    inputs = {"inputs": json.loads(made.example), "params": given}
    return _example({**made.info, "params": "true"}, inputs, {**json.loads(made.serving), "params": given})


def convert_input_example_to_serving_input(input_example: Any) -> str | None:
    """Return an example as the JSON text that a scoring server takes; None for None."""
    return None if input_example is None else _made(input_example).serving


_made = input_example


def _of_rows(sample: Any) -> Example:
    kind = kind_of(sample)
    if kind in ("frame", "series", "polars frame", "polars series", "arrow"):
        return _frame(kind, sample)
    if kind == "arrow column":
        sample = sample.to_pylist()
    if kind == "sparse":
        return _sparse(sample)
    plain = _plain(sample)
    return _example({"type": "ndarray" if kind in ("array", "arrays") else "json_object"}, plain, {"inputs": plain})


def _frame(kind: str, sample: Any) -> Example:
    if kind in ("series", "polars series"):
        sample = sample.to_frame()
    names = [_plain(name) for name in (sample.schema.names if kind == "arrow" else sample.columns)]
    cells = [[_plain(cell) for cell in _cells(column)] for column in _columns(sample)]
    content: dict[str, Any] = {"data": [list(row) for row in zip(*cells, strict=True)]}
    numbered = names == list(range(len(names)))  # the names that columns have when nobody named them
    if not numbered:
        content = {"columns": names, **content}
    info = {"type": "dataframe", "pandas_orient": "values" if numbered else "split"}
    return _example(info, content, {"dataframe_split": content})


def _columns(sample: Any) -> list[Any]:
    if hasattr(sample, "schema") and hasattr(sample, "num_columns"):
        return [sample.column(at) for at in range(sample.num_columns)]
    return [one for _, one in sample.items()] if hasattr(sample, "items") else sample.get_columns()


def _cells(column: Any) -> list[Any]:
    name = next(name for name in ("tolist", "to_list", "to_pylist") if hasattr(column, name))
    cells: list[Any] = getattr(column, name)()
    return cells


def _sparse(sample: Any) -> Example:
    content = {name: _plain(getattr(sample, name)) for name in ("data", "indices", "indptr")}
    content["shape"] = list(sample.shape)
    return _example({"type": f"sparse_matrix_{sample.format}"}, content, {"inputs": _plain(sample.toarray())})


def _example(info: dict[str, str], content: Any, serving: Any) -> Example:
    files = {"artifact_path": EXAMPLE_FILE, "serving_input_path": SERVING_FILE}
    try:
        texts = [json.dumps(one) for one in (content, serving)]  # with `Infinity`, as MLflow writes and reads it
    except (TypeError, ValueError) as error:
        raise MisuseError(f"this input example has no JSON form: {error}; leave it out or give plain values") from None
    return Example({**files, **info}, *texts)


def _plain(value: Any) -> Any:
    """Turn one value, however nested, into what JSON has; missing values and NaN become null."""
    if is_array(value):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if is_null(value) else _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return base64.encodebytes(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if is_a("numpy", ("datetime64",), value):
        return str(value)
    return value.item() if is_a("numpy", ("generic",), value) else value
