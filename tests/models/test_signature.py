"""Signatures and examples of plain lists and dicts; those of arrays and frames are tested with their libraries."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitscribe.errors import MisuseError
from fitscribe.models.columns import type_of_all
from fitscribe.models.examples import input_example
from fitscribe.models.signature import ModelSignature, infer_signature, schema_of

DAY = datetime.date(2024, 5, 1)


@pytest.mark.parametrize(
    ("data", "columns"),
    [
        ([1, 2], [{"type": "long", "required": True}]),
        ([1, 2.5, None], [{"type": "double", "required": True}]),
        ([1, "a"], [{"type": "any", "required": True}]),
        ([], [{"type": "string", "required": True}]),
        ([None], [{"type": "any", "required": True}]),
        ("text", [{"type": "string", "required": True}]),
        (object(), [{"type": "any", "required": True}]),
        ([[1.5], []], [{"type": "array", "items": {"type": "double"}, "required": True}]),
        ([[True], [None]], [{"type": "array", "items": {"type": "boolean"}, "required": True}]),
        (
            [{"a": 1, "b": b"x"}, {"a": None}],
            [{"type": "long", "name": "a", "required": False}, {"type": "binary", "name": "b", "required": False}],
        ),
        (
            {"when": DAY, "of": {"k": "v", "n": None}},
            [
                {"type": "datetime", "name": "when", "required": True},
                {
                    "type": "object",
                    "properties": {"k": {"type": "string", "required": True}, "n": {"type": "any", "required": False}},
                    "name": "of",
                    "required": True,
                },
            ],
        ),
        ([{0: 1.5}], [{"type": "double", "name": 0, "required": True}]),
    ],
)
def test_columns_of_plain_data(data, columns):
    assert schema_of(data) == columns


def test_objects_that_differ_are_merged():
    rows = [{"a": 1, "b": {"x": None}}, {"a": 2.5, "b": {"x": "t"}, "c": True}]
    assert type_of_all(rows) == {
        "type": "object",
        "properties": {
            "a": {"type": "double", "required": True},
            "b": {"type": "object", "properties": {"x": {"type": "string", "required": False}}, "required": True},
            "c": {"type": "boolean", "required": False},
        },
    }


def test_signature_is_written_and_read_as_json_texts():
    signature = infer_signature([{"a": 1}], [0.5], {"threshold": 0.3, "labels": ["x"], "since": DAY})
    assert signature.to_dict() == {
        "inputs": '[{"type": "long", "name": "a", "required": true}]',
        "outputs": '[{"type": "double", "required": true}]',
        "params": '[{"name": "threshold", "default": 0.3, "shape": null, "type": "double"}, '
        '{"name": "labels", "default": ["x"], "shape": [-1], "type": "string"}, '
        '{"name": "since", "default": "2024-05-01", "shape": null, "type": "datetime"}]',
    }
    assert ModelSignature.from_dict(signature.to_dict()) == signature
    assert infer_signature().to_dict() == {"inputs": None, "outputs": None, "params": None}


@pytest.mark.parametrize("value", [object(), [[1]], [1, "a"], None])
def test_param_that_is_no_scalar_is_refused(value):
    with pytest.raises(MisuseError, match=r"the inference param 'p' is .*; it may be a scalar, a flat list or a dict"):
        infer_signature([1], params={"p": value})


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)


@given(ANYTHING)
def test_anything_has_a_schema_that_is_json_and_the_same_each_time(data):
    columns = schema_of(data)
    assert columns
    assert json.loads(json.dumps(columns)) == columns == schema_of(data)
    named = {"name" in column for column in columns}
    assert len(named) == 1  # readers refuse a mixture
    assert named == {True} or all(column["required"] for column in columns)


@given(st.lists(ANYTHING, max_size=7))
def test_any_list_has_an_example_of_five_rows(data):
    made = input_example(data)
    rows = json.loads(made.example)
    assert len(rows) == min(len(data), 5)
    assert json.loads(made.serving) == {"inputs": rows}


def test_example_of_records():
    made = input_example([{"a": float("nan"), "when": DAY, "raw": b"ab"}])
    assert made.info == {
        "artifact_path": "input_example.json",
        "serving_input_path": "serving_input_example.json",
        "type": "json_object",
    }
    assert made.files() == {
        "input_example.json": '[{"a": null, "when": "2024-05-01", "raw": "YWI=\\n"}]',
        "serving_input_example.json": '{"inputs": [{"a": null, "when": "2024-05-01", "raw": "YWI=\\n"}]}',
    }


def test_example_that_has_no_json_form():
    with pytest.raises(MisuseError, match=r"no JSON form: .*; leave it out or give plain values"):
        input_example([object()])
