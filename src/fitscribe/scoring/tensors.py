"""What stands under `inputs` and `instances` of a request: values, lists of lists, and columns or rows of them."""

from __future__ import annotations

from typing import Any

from fitscribe.models.columns import Type
from fitscribe.models.signature import ModelSignature
from fitscribe.scoring.columns import array_of, as_array, spec_words
from fitscribe.scoring.refusals import Refusal

__all__ = ["from_inputs", "from_instances"]


def from_inputs(value: Any, signature: ModelSignature | None) -> Any:
    """Return what `inputs` holds as arrays, by name or alone. `Refusal`: not as the signature says."""
    specs = signature.inputs if signature else None
    by_name = _by_name(specs)
    if len(by_name) == 1 and isinstance(value, list) and not any(isinstance(each, dict) for each in value):
        value = {next(iter(by_name)): value}
    elif specs and (value is None or (not by_name and isinstance(value, dict))):
        kind = "null" if value is None else "an object of names"
        raise Refusal(f"the model takes {spec_words(specs[0])}; this is {kind}")
    if isinstance(value, dict):
        return _by_column(value, by_name, specs)
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return [_by_column(row, by_name, specs) for row in value]
    return as_array(value, specs[0] if specs else None)


def _by_column(row: dict[str, Any], by_name: dict[str, Type], specs: list[Type] | None) -> dict[str, Any]:
    """Return the values as arrays; what a signature does not know is left to the model's check."""
    return {
        name: each if specs and name not in by_name else as_array(each, by_name.get(name)) for name, each in row.items()
    }


def from_instances(value: Any, signature: ModelSignature | None) -> Any:
    """Return what `instances` holds as arrays, named rows as columns. `Refusal`: those differ in length."""
    specs = signature.inputs if signature else None
    by_name = _by_name(specs)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        found: Any = _columns(value, by_name)
    else:
        found = from_inputs(value, signature)
    if isinstance(found, dict):
        _of_one_length(found, by_name)
    return found


def _by_name(specs: list[Type] | None) -> dict[str, Type]:
    return {spec["name"]: spec for spec in specs or () if "name" in spec}


def _columns(rows: list[Any], by_name: dict[str, Type]) -> dict[str, Any]:
    columns: dict[str, list[Any]] = {}
    for at, row in enumerate(rows):
        if not isinstance(row, dict):
            raise Refusal(f"instances[{at}] is {type(row).__name__}, and others are objects; send one kind")
        for name, value in row.items():
            columns.setdefault(name, []).append(as_array(value, by_name.get(name)))
    return {name: array_of(values, None, f"column {name!r}") for name, values in columns.items()}


def _of_one_length(found: dict[str, Any], by_name: dict[str, Type]) -> None:
    wanted = {name for name, spec in by_name.items() if spec.get("required", True) and spec["type"] != "array"}
    arrays = {
        name: each for name, each in found.items() if getattr(each, "ndim", 0) and (not by_name or name in wanted)
    }
    lengths = {name: len(each) for name, each in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise Refusal(f"instances must have as many values in every column; there are {lengths}")
