"""Data against a signature: brought into the form that the model was trained on, or refused with the column's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitscribe.errors import SignatureMismatch
from fitscribe.guard import warn_once
from fitscribe.models.casting import as_type, cell, fits, is_of
from fitscribe.models.columns import Type
from fitscribe.models.frames import as_frame
from fitscribe.models.kinds import is_sparse, kind_of

__all__ = ["fitting", "fitting_params", "validate_schema"]


def fitting(data: Any, inputs: list[Type] | None) -> Any:
    """Return data in the form that a model's inputs have: columns in their order and types, tensors in their dtype.

    What loses nothing is converted (whole numbers, names that are numbers, missing optional columns); columns beside
    those of the signature are dropped. `SignatureMismatch`: a column is missing or of another type; it is named, with
    the value that does not fit.
    """
    if not inputs or _is_one_any(inputs):
        return data
    if all(one.get("type") == "tensor" for one in inputs):
        return _tensors(data, inputs)
    return _columns(data, inputs)


def validate_schema(data: Any, expected_schema: Any) -> None:
    """Raise `SignatureMismatch` unless data fits: a signature's inputs or outputs, or a signature's inputs."""
    fitting(data, getattr(expected_schema, "inputs", expected_schema))


def _is_one_any(inputs: list[Type]) -> bool:
    return len(inputs) == 1 and inputs[0].get("type") == "any" and "name" not in inputs[0]


# --- columns


def _columns(data: Any, inputs: list[Type]) -> Any:
    frame = as_frame(data, inputs)
    if "name" not in inputs[0]:
        return _by_position(frame, inputs)
    there = _names(frame, inputs)
    if not there and kind_of(data) not in ("frame", "polars frame", "arrow", "mapping", "arrays", "records", "series"):
        raise SignatureMismatch(
            f"the data ({type(data).__name__}) has no names for its columns ({frame.shape[1]}), and the model's "
            f"signature asks for {len(inputs)}: {_listed([one['name'] for one in inputs])}"
        )
    missing = [one["name"] for one in inputs if one["name"] not in there and one.get("required", True)]
    if missing:
        raise SignatureMismatch(
            f"the data has no column {_listed(missing)}, which the model's signature asks for; "
            f"it has {_listed(list(frame.columns)) or 'none'}"
        )
    wanted = [one for one in inputs if one["name"] in there]
    labels = [there[one["name"]] for one in wanted]
    if not frame.columns.is_unique and (twice := [one for one in labels if list(frame.columns).count(one) > 1]):
        raise SignatureMismatch(f"the data has more than one column {_listed(twice)}")
    if list(frame.columns) != labels:
        frame = frame[labels]
    # labels of other kinds (pairs, dates) stand in a signature as text, and the model knows them as they are
    names = [
        one["name"] if isinstance(label, (str, int, float)) else label
        for one, label in zip(wanted, labels, strict=True)
    ]
    return _typed(frame if names == labels else frame.set_axis(names, axis=1), wanted)


def _by_position(frame: Any, inputs: list[Type]) -> Any:
    if frame.shape[1] != len(inputs):
        raise SignatureMismatch(
            f"the data has {frame.shape[1]} columns, and the model's signature {len(inputs)}, none of which has a name"
        )
    return _typed(frame, [{**one, "name": at} for at, one in enumerate(inputs)])


def _typed(frame: Any, inputs: list[Type]) -> Any:
    changed = {}
    for at, (one, dtype) in enumerate(zip(inputs, frame.dtypes.tolist(), strict=True)):
        if not is_of(dtype, one["type"]):
            before = frame.iloc[:, at]
            after = as_type(before, one)
            if after is not before:
                changed[at] = after
    if not changed:
        return frame
    import pandas

    series = [changed.get(at, frame.iloc[:, at]) for at in range(len(inputs))]
    made = pandas.concat(series, axis=1) if series else frame
    return made.set_axis(frame.columns, axis=1)


def _names(frame: Any, inputs: list[Type]) -> dict[Any, Any]:
    """Return the column for each name of the signature; 0 and "0" are the same where nothing else bears either."""
    exact = {name: name for name in frame.columns}
    as_text = {str(name): name for name in frame.columns}
    found = {}
    for one in inputs:
        name = one["name"]
        if name in exact:
            found[name] = exact[name]
        elif str(name) in as_text:
            found[name] = as_text[str(name)]
    return found


def _listed(names: list[Any]) -> str:
    shown = ", ".join(map(repr, names[:10]))
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"


def _tensors(data: Any, inputs: list[Type]) -> Any:
    if "name" not in inputs[0]:
        return _tensor(data, inputs[0], "the data")
    if kind_of(data) in ("frame", "polars frame", "arrow"):
        data = {name: data[name] for name in (data.columns if hasattr(data, "columns") else data.schema.names)}
    if not isinstance(data, dict):
        if len(inputs) > 1:
            raise SignatureMismatch(
                f"the model's signature has the tensors {_listed([one['name'] for one in inputs])}: "
                f"give a dict of them, not {type(data).__name__}"
            )
        data = {inputs[0]["name"]: data}
    missing = [one["name"] for one in inputs if one["name"] not in data]
    if missing:
        raise SignatureMismatch(f"the data has no tensor {_listed(missing)}; it has {_listed(list(data)) or 'none'}")
    return {one["name"]: _tensor(data[one["name"]], one, f"the tensor {one['name']!r}") for one in inputs}


def _tensor(data: Any, wanted: Type, what: str) -> Any:
    import numpy

    spec = wanted["tensor-spec"]
    table = data if is_sparse(data) else _array(data, what)
    dtype = numpy.dtype(spec["dtype"])
    if table.dtype != dtype and dtype.kind not in "OUS":
        table = _cast(table, dtype, what)
    shape = spec["shape"]
    fitting = len(shape) == len(table.shape) and all(
        one in (-1, there) for one, there in zip(shape, table.shape, strict=False)
    )
    if not fitting:
        raise SignatureMismatch(
            f"{what} has the shape {tuple(table.shape)}, and the model's signature asks for {_shape(shape)}"
        )
    return table


def _shape(shape: list[int]) -> str:
    return "(" + ", ".join("any" if one == -1 else str(one) for one in shape) + ")"


def _array(data: Any, what: str) -> Any:
    import numpy

    if kind_of(data) == "frame":
        return data.to_numpy()
    if hasattr(data, "to_numpy"):
        return data.to_numpy()
    if hasattr(data, "detach"):  # a tensor of torch
        return data.detach().cpu().numpy()
    try:
        return numpy.asarray(data)
    except ValueError:
        raise SignatureMismatch(f"{what} is a list of rows of different lengths, and no tensor") from None


def _cast(table: Any, dtype: Any, what: str) -> Any:
    import numpy

    made = None
    if table.dtype.kind == "O" or numpy.can_cast(table.dtype, dtype, "same_kind"):
        try:
            made = table.astype(dtype)
        except (ValueError, TypeError, OverflowError):
            made = None
    elif table.dtype.kind in "iuf" and dtype.kind in "iu":
        made = table.astype(dtype)
    if made is not None and dtype.kind in "iu":
        same = (made != table).nnz == 0 if is_sparse(table) else bool((made == table).all())
        made = made if same else None
    if made is None:
        raise SignatureMismatch(f"{what} is {table.dtype}, and the model's signature asks for {dtype}")
    return made


def fitting_params(params: Mapping[str, Any] | None, schema: list[Type] | None) -> dict[str, Any] | None:
    """Return inference params as the signature has them, with its defaults; one that it does not know is left out.

    `SignatureMismatch`: a value is of another type.
    """
    given = dict(params or {})
    known = {one["name"]: one for one in schema or ()}
    if unknown := [name for name in given if name not in known]:
        warn_once("the params %s are not in the model's signature and are left out", _listed(sorted(unknown)))
    if not known:
        return None
    return {name: _param(given[name], one) if name in given else one.get("default") for name, one in known.items()}


def _param(value: Any, one: Type) -> Any:
    if value is None:
        return one.get("default")
    plain = value.tolist() if hasattr(value, "tolist") else value
    several = one.get("shape") is not None
    if several != isinstance(plain, (list, tuple)):
        raise SignatureMismatch(f"the param {one['name']!r} is {cell(value)}; it is {'' if several else 'not '}a list")
    for each in plain if several else [plain]:
        if isinstance(each, float) and each.is_integer() and one["type"] in ("integer", "long"):
            continue
        if wrong := fits(each, one, f"the param {one['name']!r}"):
            raise SignatureMismatch(wrong)
    return plain
