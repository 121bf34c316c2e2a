"""The table of requests: which model, content type and body; good ones, odd ones and bad ones."""

from __future__ import annotations

import json
from typing import NamedTuple

__all__ = ["TABLE", "Request"]

JSON = "application/json"
SPLIT = {"columns": ["x", "n"], "data": [[1.5, 1], [2.5, 2]]}
FULL = {
    "boolean_": True, "integer_": 1, "long_": 2**40, "float_": 0.1, "double_": 0.1, "string_": "ü", "binary_": "YWJj",
    "datetime_": "2020-01-02T03:04:05.678",
}  # fmt: skip


class Request(NamedTuple):
    """What is sent, and to which model."""

    model: str
    body: bytes
    content_type: str | None = JSON

    def __str__(self) -> str:
        return f"{self.model} {self.content_type} {self.body[:80]!r}"


def of(model: str, body: object, content_type: str | None = JSON) -> Request:
    """Make a request of a text, or of anything else as JSON."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Request(model, text.encode(), content_type)


def each(models: str, *bodies: object) -> list[Request]:
    """Make requests of every body to every model."""
    return [of(model, body) for model in models.split(", ") for body in bodies]


FORMS = [
    {"dataframe_split": SPLIT},
    {"dataframe_split": {"data": [[1, 2], [3, 4]]}},
    {"dataframe_split": {"columns": ["x", "n"], "index": ["a", "b"], "data": [[1, 2], [3, 4]]}},
    {"dataframe_split": {"columns": ["x", "n"], "data": []}},
    {"dataframe_split": {"columns": ["n", "x", "extra"], "data": [[1, 2, "z"]]}},
    {"dataframe_split": {"columns": ["x", "n"], "data": [[None, 1], [0.5, 2]]}},
    {"dataframe_records": [{"x": 1, "n": 2}, {"x": 3.5, "n": 4}]},
    {"dataframe_records": [{"n": 2, "x": 1}, {"x": 3.5, "n": 4, "more": []}]},
    {"dataframe_records": []},
    {"dataframe_records": [{"x": 1}]},
    {"dataframe_records": [{"x": "a", "n": 1}]},
    {"dataframe_records": [{"x": 1, "n": 1.5}]},
    {"dataframe_records": [{"x": 1, "n": 2.0}]},
    {"dataframe_records": [{"x": True, "n": False}]},
    {"dataframe_records": [{"x": None, "n": None}]},
    {"instances": [[1.5, 2], [3, 4]]},
    {"instances": [1, 2]},
    {"instances": []},
    {"instances": 5},
    {"instances": [{"x": 1, "n": 2}, {"x": 3, "n": 4}]},
    {"instances": {"x": [1, 2], "n": [3, 4]}},
    {"instances": {"x": [1, 2], "n": [3]}},
    {"inputs": {"x": [1, 2], "n": [3, 4]}},
    {"inputs": {"x": [1, 2], "n": [3]}},
    {"inputs": {"x": 1, "n": 2}},
    {"inputs": [{"x": 1, "n": 2}, {"x": 3, "n": 4}]},
    {"inputs": [{"x": 1, "n": 2}, {"x": 3}]},
    {"inputs": [[1.5, 2], [3, 4]]},
    {"inputs": [1.5, 2.5]},
    {"inputs": ["a", "b"]},
    {"inputs": []},
    {"inputs": {}},
    {"inputs": 1.5},
    {"inputs": "a"},
    {"inputs": None},
    {"inputs": True},
    {"inputs": [True, False]},
    {"inputs": [None, 1]},
    {"inputs": [[1, 2], [3]]},
    {"inputs": [1, "a"]},
    {"inputs": {"x": [1.5]}, "params": {"temperature": 1}},
]
BAD = [
    "", " ", "{", "[]", "null", "5", '"a"', "{}", "[[1, 2]]", '{"columns": ["x"], "data": [[1]]}', "NaN",
    '{"inputs": [NaN, Infinity, -Infinity]}', '{"inputs": [1e400, 1]}', '{"inputs": 1, "inputs": [2.5, 3]}',
    '{"inputs": [1]} x', "\ufeff{}", '{"inputs": [1], "instances": [1]}', '{"inputs": [1], "dataframe_split": {}}',
    '{"dataframe_split": []}', '{"dataframe_split": {}}', '{"dataframe_split": "a"}', '{"dataframe_split": null}',
    '{"dataframe_split": {"columns": ["x", "n"], "data": [[1, 2], [3]]}}',
    '{"dataframe_split": {"columns": ["x"], "data": [[1, 2]]}}', '{"dataframe_split": {"data": 5}}',
    '{"dataframe_split": {"data": [[1, 2]], "more": 1}}',
    '{"dataframe_split": {"columns": ["x", "x"], "data": [[1, 2]]}}',
    '{"dataframe_records": {}}', '{"dataframe_records": 5}', '{"dataframe_records": [1, 2]}',
    '{"dataframe_records": [[1]]}',
    '{"inputs": [1.5], "signature_name": "a"}', '{"params": {}}', '{"inputs": [1.5], "params": 5}',
    '{"inputs": [1.5], "params": null}', '{"inputs": [1.5], "unknown": 5}', '{"inputs": "' + "a" * 1000 + '"}',
]  # fmt: skip
NAMED = [
    {"dataframe_records": [FULL]},
    {"dataframe_split": {"columns": list(FULL), "data": [list(FULL.values())]}},
    {"inputs": {name: [value] for name, value in FULL.items()}},
    {"inputs": [FULL]},
    {"inputs": FULL},
    {"instances": [FULL]},
    {"dataframe_records": [{name: value for name, value in FULL.items() if name != "string_"}]},
    *({"dataframe_records": [{**FULL, name: None}]} for name in FULL),
    *({"dataframe_records": [{key: value for key, value in FULL.items() if key != name}]} for name in FULL),
    *({"dataframe_records": [{**FULL, name: "no"}]} for name in FULL),
    *({"dataframe_records": [{**FULL, name: 1}]} for name in FULL),
    *({"dataframe_records": [{**FULL, name: 2.5}]} for name in FULL),
    *({"dataframe_records": [{**FULL, name: "3"}]} for name in FULL),
    *({"inputs": {**{key: [value] for key, value in FULL.items()}, name: ["no"]}} for name in FULL),
    {"dataframe_records": [{**FULL, "integer_": 2**40}]},
    {"dataframe_records": [{**FULL, "datetime_": "2020-01-02"}, {**FULL, "datetime_": "2020-01-02T03:04:05Z"}]},
    {"dataframe_records": [{**FULL, "datetime_": "2020-01-02T03:04:05+02:00"}]},
    {"dataframe_records": [{**FULL, "datetime_": 1577934245000}]},
]
TENSOR = [
    {"inputs": [[1, 2, 3], [4, 5, 6.5]]}, {"instances": [[1, 2, 3]]}, {"inputs": [[1, 2]]}, {"inputs": [1, 2, 3]},
    {"inputs": [["a", "b", "c"]]}, {"inputs": [[1, 2, 3], [1, 2]]}, {"inputs": {"a": [[1, 2]], "b": [0.5]}},
    {"instances": [{"a": [1, 2], "b": 0.5}, {"a": [3, 4], "b": 1.5}]}, {"inputs": {"a": [[1, 2]]}},
    {"inputs": {"a": [[1, 2]], "b": [0.5], "c": [1]}}, {"inputs": {"a": [[1.5, 2]], "b": [1]}},
    {"dataframe_split": {"data": [[1, 2, 3]]}}, {"dataframe_split": {"columns": ["a", "b"], "data": [[[1, 2], 0.5]]}},
    {"inputs": {"a": [[1, 2, 3]], "b": [0.5]}}, {"dataframe_records": [{"x": 1, "y": 2, "z": 3}]},
    {"inputs": [[None, 1, 2]]}, {"inputs": ["a", "bc"]}, {"inputs": []}, {"inputs": [[]]}, {"inputs": "a"},
]  # fmt: skip
NESTED = [
    {"inputs": {"a": [1, 2], "o": {"x": 1}, "m": {"k": 1.5}}},
    {"inputs": [{"a": [1], "o": {"x": 1, "y": ["a"]}, "m": {}}]},
    {"dataframe_records": [{"a": [1, 2], "o": {"x": 1.5}, "m": {"k": 2}}]},
    {"inputs": {"a": ["b"], "o": {"x": 1}, "m": {}}},
    {"inputs": {"a": [1], "o": {}, "m": {}}}, {"inputs": {"a": [1], "o": {"x": 1, "z": 1}, "m": {}}},
    {"inputs": {"a": 1}}, {"instances": [{"a": [1, 2], "o": {"x": 1}, "m": {"k": 1.5}}]},
]  # fmt: skip
PARAMS = [
    {"inputs": [1.5], "params": params}
    for params in (
        {}, None, 5, [], {"temperature": 1}, {"temperature": 0.1, "n": 5, "words": ["b", "c"]}, {"temperature": "hot"},
        {"n": 1.5}, {"words": "a"}, {"words": []}, {"unknown": 1}, {"temperature": None}, {"n": True}, {"words": [1]},
    )
]  # fmt: skip
ANSWERS = [
    "raises", "nan", "float32", "float16", "int8", "bool", "text", "bytes", "object", "dates", "instants", "seconds",
    "frame", "frame of dates", "frame of numbers", "frame of pairs", "nullable", "series", "series without a name",
    "list", "list of arrays", "dict", "dict of numbers", "scalar", "integer", "a text", "none", "moments", "raw bytes",
    "empty", "empty frame", "tuple", "big", "nothing known", "a set", "complex", "duration", "period", "missing",
]  # fmt: skip
CSV = "x,n\n1.5,1\n2.5,2\n"
TYPES = [
    JSON, "application/json; charset=utf-8", "application/json;charset=UTF-8", "application/json; charset=latin-1",
    "application/json; format=pandas-split", "application/json; format=pandas-records; charset=utf-8",
    "application/json;", "APPLICATION/JSON", "text/csv", "text/csv; charset=utf-8", "text/csv; header=present",
    "text/csv; charset=utf-16", "text/plain", "", None, "application/x-www-form-urlencoded",
    "nonsense", "; charset=utf-8",
    'application/json; charset="utf-8"', "multipart/form-data; boundary=x", "application/octet-stream",
]  # fmt: skip
TABLES = [
    CSV, "x,n\n", "", "\n", "x\n1\n2\n", "n,x\n1,2\n", "x,n\na,1\n", "x,n\n1.5,\n", '"x","n"\n"1",2\n', "x,n\n1,2,3\n",
    "x,n,extra\n1,2,z\n", "1.5,2\n", "x;n\n1;2\n", "x,n\r\n1,2\r\n", "x,n\n1,2\n3\n", "x,n\n1,2.5\n", "x,x\n1,2\n",
    "\ufeffx,n\n1,2\n",
]  # fmt: skip
TABLE = [
    *each("free, numbers, optional, one, positions, text, column, params, hinted, without, regression", *FORMS),
    *each("free, numbers", *BAD),
    *each("named", *NAMED),
    *each("free, tensor, tensors, texts", *TENSOR),
    *each("free, nested", *NESTED),
    *each("params, only params, free, without", *PARAMS),
    *each("answers", *({"inputs": [word]} for word in ANSWERS)),
    *(of("numbers", {"dataframe_split": SPLIT}, kind) for kind in TYPES),
    *(of("numbers", CSV, kind) for kind in TYPES),
    *(of(model, csv, "text/csv") for model in ("free", "numbers", "optional", "positions") for csv in TABLES),
    *(of(model, csv, "text/csv") for model in ("tensor", "regression") for csv in TABLES),
    of("named", ",".join(FULL) + "\nTrue,1,5,0.5,0.25,a,b,2020-01-02\n", "text/csv"),
    of("column", "text\n007\nNA\n", "text/csv"),
    *each("regression", {"dataframe_split": {"columns": ["a", "b", "c"], "data": [[1.5, 2, 3], [0.1, 0.2, 0]]}}),
    *each("regression", {"inputs": {"a": [1.0], "b": [2.0], "c": [3]}}, {"inputs": [[1, 2, 3]]}),
    *each("free", {"messages": [{"role": "user", "content": "hi"}]}, {"prompt": "hi", "n": 2}, {"input": [1]}),
    *each("params", {"prompt": "hi", "n": 2}, {"input": ["hi"]}),
    Request("numbers", b'{"inputs": {"x": ["\xff"]}}'),
    Request("numbers", b"x,n\n\xff,1\n", "text/csv"),
    Request("numbers", json.dumps({"dataframe_split": SPLIT}).encode("utf-16")),
    Request("free", b"PAR1", "application/vnd.apache.parquet"),
]  # fmt: skip
