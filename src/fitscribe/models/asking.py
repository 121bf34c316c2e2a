"""A python model with its context, asked in the way that its `predict` is written."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fitscribe.errors import MisuseError
from fitscribe.models.kinds import is_pandas_frame
from fitscribe.models.python_model import PythonModelContext

__all__ = ["Predictor", "item_of"]


class Predictor:
    """What `pyfunc` asks: a python model with its context."""

    def __init__(self, model: Any, context: PythonModelContext) -> None:
        """Keep both."""
        self.python_model, self.context = model, context

    def unwrap_python_model(self) -> Any:
        """Return the user's object; the function, where the model is one."""
        function = getattr(self.python_model, "func", None)
        return self.python_model if function is None else getattr(function, "__self__", function)

    get_raw_model = unwrap_python_model

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return what the model's `predict` returns."""
        return self._ask(self.python_model.predict, data, params)

    def predict_stream(self, data: Any, params: Mapping[str, Any] | None = None) -> Any:
        """Return what the model's `predict_stream` returns. `MisuseError`: it has none."""
        ask = getattr(self.python_model, "predict_stream", None)
        if ask is None:
            raise MisuseError("this model does not stream; ask predict")
        return self._ask(ask, data, params)

    def _ask(self, ask: Any, data: Any, params: Mapping[str, Any] | None) -> Any:
        takes = inspect.signature(ask).parameters
        more = {"params": dict(params) if params is not None else None} if "params" in takes else {}
        positional = [name for name in takes if name not in ("self", "params")]
        data = self._as_hinted(data)
        if "context" in takes or len(positional) == 2:  # the first of two is the context, whatever its name
            return ask(self.context, data, **more)
        return ask(data, **more)

    def _as_hinted(self, data: Any) -> Any:
        """Give a model whose hint says so (`list[str]`, `list[dict]`) its rows as a list instead of a data frame."""
        inner = item_of(getattr(getattr(self.python_model, "predict_type_hints", None), "input", None))
        if inner is None or not is_pandas_frame(data):
            return data
        if inner is dict or getattr(inner, "__origin__", None) is dict:
            return data.to_dict(orient="records")
        return data.iloc[:, 0].tolist() if data.shape[1] == 1 else data


def item_of(hint: Any) -> Any:
    """Return the type of the items of a `list[...]`, or None."""
    return (
        next(iter(getattr(hint, "__args__", None) or ()), None) if getattr(hint, "__origin__", None) is list else None
    )
