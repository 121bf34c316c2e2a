"""Tables of a request (CSV, parquet, and the two forms of a data frame in JSON) as pandas has them."""

from __future__ import annotations

import io
from typing import Any

from fitscribe.guard import outcome
from fitscribe.models.columns import Type
from fitscribe.models.signature import ModelSignature
from fitscribe.scoring.columns import as_column
from fitscribe.scoring.refusals import Refusal

__all__ = ["from_csv", "from_parquet", "from_records", "from_split"]

SPLIT = {"columns", "index", "data"}
AS_READ = {"string": object, "binary": object}  # the rest is read as it looks, and becomes its type afterwards


def from_split(value: Any, signature: ModelSignature | None) -> Any:
    """Return the frame that `dataframe_split` holds, its columns as the signature says. `Refusal`: it is none."""
    if not isinstance(value, dict) or "data" not in value or set(value) - SPLIT:
        keys = sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise Refusal(f"dataframe_split must be an object with data, and columns and index if you like; it is {keys}")
    return _frame("dataframe_split", value["data"], signature, value.get("columns"), value.get("index"))


def from_records(value: Any, signature: ModelSignature | None) -> Any:
    """Return the frame that `dataframe_records` holds, its columns as the signature says. `Refusal`: it is none."""
    if not isinstance(value, list):
        raise Refusal(f"dataframe_records must be a list of objects, one for each row; it is {type(value).__name__}")
    return _frame("dataframe_records", value, signature)


def _frame(form: str, data: Any, signature: ModelSignature | None, columns: Any = None, index: Any = None) -> Any:
    import pandas

    found = outcome(lambda: pandas.DataFrame(data=data, columns=columns, index=index))
    if isinstance(found, Exception):
        raise Refusal(f"{form} is no table: {found}")
    return _as_signed(found, signature)


def from_parquet(body: bytes) -> Any:
    """Return the frame of a parquet file. `Refusal`: it is none, or no pyarrow is installed."""
    import pandas

    found = outcome(pandas.read_parquet, io.BytesIO(body))
    if isinstance(found, Exception):
        raise Refusal(f"the body is no parquet file that can be read here: {found}")
    return found


def from_csv(text: str, signature: ModelSignature | None) -> Any:
    """Return the frame of a CSV text with a header. `Refusal`: it is none, or a value is not of its column's type."""
    import pandas

    specs = (signature.inputs if signature else None) or []
    types = {each["name"]: AS_READ[each["type"]] for each in specs if "name" in each and each["type"] in AS_READ}
    found = outcome(lambda: pandas.read_csv(io.StringIO(text), dtype=types))
    if isinstance(found, Exception):
        raise Refusal(f"the body is no CSV with a header: {found}")
    if not isinstance(found.index, pandas.RangeIndex):  # pandas takes what is too much for row names
        raise Refusal("the body is no CSV with a header: rows have more cells than the header has names")
    return _as_signed(found, signature)


def _as_signed(frame: Any, signature: ModelSignature | None) -> Any:
    if signature is None or not signature.inputs or not len(frame.columns):
        return frame
    for label, spec in _pairs(frame, signature.inputs):
        if list(frame.columns).count(label) == 1:  # of two columns of one name, the model's check says that
            frame[label] = as_column(frame[label], spec)
    return frame


def _pairs(frame: Any, specs: list[Type]) -> list[tuple[Any, Type]]:
    """Return the labels of columns with what the signature says of them: by name, or by position without names."""
    if "name" in specs[0]:
        return [(spec["name"], spec) for spec in specs if spec["name"] in frame.columns]
    if specs[0]["type"] == "tensor" and len(specs) == 1:
        return [(label, specs[0]) for label in frame.columns]
    return list(zip(frame.columns, specs, strict=False))
