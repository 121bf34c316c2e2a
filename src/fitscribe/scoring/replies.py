"""Predictions as JSON, in the bytes that MLflow's server sends; errors as JSON, without a traceback."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

from fitscribe.models.kinds import is_a
from fitscribe.scoring.refusals import INTERNAL_ERROR, Refusal

__all__ = ["error", "predictions"]


def predictions(answer: Any, *, bare: bool = False) -> bytes:
    """Return an answer of a model as the body of a response: under the key `predictions`, or `bare`.

    NaN and infinities stand as such, as in MLflow. `Refusal` (500): the answer holds what JSON has no form for.
    """
    plain = _plain(answer)
    try:
        return json.dumps(plain if bare else {"predictions": plain}, default=_jsonable).encode()
    except (TypeError, ValueError, RecursionError) as reason:
        words = f"the model's answer, a {type(answer).__name__}, cannot be written as JSON: {reason}"
        raise Refusal(words, INTERNAL_ERROR) from None


def error(code: str, message: str) -> bytes:
    """Return the body of a response that is an error."""
    return json.dumps({"error_code": code, "message": message}).encode()


def _plain(answer: Any) -> Any:
    """Return tables and arrays as rows; the rest as it is."""
    if is_a("pandas", ("Series",), answer):
        answer = answer.to_frame(0 if answer.name is None else answer.name)
    if is_a("pandas", ("DataFrame",), answer):
        return answer.to_dict(orient="records")
    if is_a("polars", ("DataFrame",), answer):
        return answer.to_dicts()
    return answer.tolist() if is_a("numpy", ("ndarray",), answer) else answer


def _jsonable(value: Any) -> Any:
    """Return what JSON has no word for in its words: numpy's values, dates, bytes, models of pydantic."""
    if isinstance(value, (bytes, bytearray)):
        return base64.encodebytes(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if is_a("numpy", ("ndarray", "generic"), value):
        return value.tolist()
    if is_a("pandas", ("NAType",), value):
        return None
    if (plain := _plain(value)) is not value:
        return plain
    for method in ("model_dump", "tolist"):  # of pydantic, and of tensors
        if callable(found := getattr(value, method, None)):
            return found()
    raise TypeError(f"{type(value).__name__} is no type of JSON's")
