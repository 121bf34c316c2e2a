"""What a user subclasses for a model of their own; pickled whole with the model, so no loader needs this package."""

from __future__ import annotations

from typing import Any

__all__ = ["FunctionModel", "PythonModel", "PythonModelContext"]


class PythonModelContext:
    """What a python model finds at loading and predicting: its artifacts' paths by name, and its configuration."""

    def __init__(self, artifacts: dict[str, str], model_config: dict[str, Any] | None) -> None:
        """Keep both."""
        self.artifacts, self.model_config = artifacts, model_config


class PythonModel:
    """The parent of a user's own model: define `predict`, and `load_context` where files are to be read first.

    `predict` may also be without `context` or without `params`; `predict_stream` gives an iterator of answers.
    """

    def load_context(self, context: Any) -> None:
        """Prepare the model when it is loaded; `context.artifacts` are paths by name, `context.model_config` a dict."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the answer to an input."""
        raise NotImplementedError(f"{type(self).__name__} has no predict")

    def predict_stream(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return an iterator of the parts of an answer."""
        raise NotImplementedError(f"{type(self).__name__} has no predict_stream")

    @property
    def predict_type_hints(self) -> Any:
        """The type hints of `predict`, under the names that MLflow's loader asks for: `input` and `output`."""
        import inspect
        import types
        import typing

        asked = getattr(self, "func", self.predict)
        try:
            hints = typing.get_type_hints(asked)
        except (NameError, TypeError, AttributeError):
            hints = {}
        names = [name for name in inspect.signature(asked).parameters if name not in ("self", "params")]
        wanted = names[-1] if names else ""
        return types.SimpleNamespace(input=hints.get(wanted), output=hints.get("return"))


class FunctionModel(PythonModel):
    """A function as a python model: it is called with the input, and with `params` if it has such an argument."""

    def __init__(self, func: Any) -> None:
        """Keep the function."""
        self.func = func

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Return what the function returns."""
        import inspect

        if "params" in inspect.signature(self.func).parameters:
            return self.func(model_input, params=params)
        return self.func(model_input)
