"""The model: a summary of its layers, how many parameters it has, and what it takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from fitscribe import guarded

__all__ = ["Shapes", "log", "signature_of"]


def log(run: Any, module: Any) -> None:
    """Record `model_summary.txt` with all layers, and the counts; the model is asked for no prediction."""
    with guarded("counting the parameters"):
        run.log_params(_counts(module))
    with guarded("describing the model"):
        run.log_text(_summary(module), "model_summary.txt")


def _counts(module: Any) -> dict[str, int]:
    found = {"trainable_params": 0, "non_trainable_params": 0}
    for parameter in module.parameters():
        if type(parameter).__name__ != "UninitializedParameter":
            found["trainable_params" if parameter.requires_grad else "non_trainable_params"] += parameter.numel()
    return {"total_params": sum(found.values()), **found}


def _summary(module: Any) -> str:
    package = "pytorch_lightning" if _is_of(module, "pytorch_lightning") else "lightning.pytorch"
    parent = import_module(f"{package}.utilities.model_summary").ModelSummary
    # as its own, but the model is asked nothing: a prediction draws random numbers that the training would draw
    kind = type("Summary", (parent,), {"_forward_example_input": lambda self: None})
    return str(kind(module, max_depth=-1))


def _is_of(module: Any, package: str) -> bool:
    return any(kind.__module__.startswith(f"{package}.") for kind in type(module).__mro__)


class Shapes:
    """Sees the first call of the model, to know types and shapes of what it takes and gives; no value is read.

    A compiled model is left alone: a hook more would make it compile again.
    """

    def __init__(self, module: Any) -> None:
        """Look on until the first call of the module, or until `leave`."""
        self.found: dict[str, Any] = {}
        self.handle: Any = None
        if getattr(module, "_compiler_ctx", None) is None and getattr(module, "_compiled_call_impl", None) is None:
            self.handle = module.register_forward_hook(self._seen)

    @guarded("looking at the model's first call")
    def _seen(self, module: Any, given: tuple[Any, ...], result: Any) -> None:
        self.leave()
        if len(given) == 1:
            sides = {"inputs": _told(given[0]), "outputs": _told(result)}
            self.found = sides if all(sides.values()) else {}

    def leave(self) -> None:
        """Look no more."""
        if self.handle is not None:
            self.handle.remove()
            self.handle = None

    def told(self) -> dict[str, Any]:
        """Return types and shapes, in words that can be written down; nothing where they are not of one tensor."""
        return self.found


def _told(value: Any) -> list[Any]:
    """Return the type's name in numpy and the shape of a tensor; of anything else nothing."""
    if not hasattr(value, "detach") or not value.dim():
        return []
    name = str(value.dtype).removeprefix("torch.")
    return ["float32" if name in ("bfloat16", "float8_e4m3fn") else name, list(value.shape)]


@guarded("describing what the model takes")
def signature_of(shapes: Mapping[str, Any]) -> Any:
    """Return the signature of a model that was called with one tensor and returned one, or None."""
    if not shapes:
        return None
    import numpy

    from fitscribe.models.signature import infer_signature

    given, result = (
        numpy.zeros((1, *shape[1:]), dtype=dtype) for dtype, shape in (shapes["inputs"], shapes["outputs"])
    )
    return infer_signature(given, result)
