"""A training that the user named: its modules, its optimizers, and where it ends."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from fitscribe import MisuseError
from fitscribe.integrations.torch import joining
from fitscribe.integrations.torch.here import here

__all__ = ["Watched", "watch"]


class Watched:
    """A training that is watched; the run begins with its first `backward`."""

    def __init__(self, training: Any) -> None:
        """Hold it until it ends."""
        self._training = training

    def end(self, status: str = "FINISHED") -> None:
        """End the training, and its run unless that is the user's own; twice is once."""
        self._training.finish(status)

    def __enter__(self) -> Watched:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        else:
            self.end("FAILED" if isinstance(error, Exception) else "KILLED")


def watch(model: Any, optimizer: Any, name: str = "", keep: bool = False) -> Watched:
    """Begin a training of one or several modules by one or several optimizers. `MisuseError`: they are none."""
    import torch

    models = list(model) if isinstance(model, (list, tuple)) else [model]
    optimizers = list(optimizer) if isinstance(optimizer, (list, tuple)) else [optimizer]
    for each in models:
        if not isinstance(each, torch.nn.Module):
            raise MisuseError(f"watch takes a module, or a list of modules, and this is a {type(each).__name__}")
    inner = [_inmost(each) for each in optimizers]
    for each in inner:
        if not isinstance(each, torch.optim.Optimizer):
            raise MisuseError(f"watch takes an optimizer, or a list of them, and this is a {type(each).__name__}")
    if not inner:
        raise MisuseError("watch takes at least one optimizer; this is an empty list")
    return Watched(joining.together(inner, models, name, here(), keep))


def _inmost(optimizer: Any) -> Any:
    """Return the optimizer that steps: wrappers such as Accelerate's hold it."""
    import torch

    held = vars(optimizer).get("optimizer") if hasattr(optimizer, "__dict__") else None
    return held if isinstance(held, torch.optim.Optimizer) else optimizer
