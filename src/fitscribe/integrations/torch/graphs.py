"""What the graph behind a loss tells: the function that computed it, and mixed precision."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["told"]

MOST = 3000  # nodes that are looked at
LOSSES = {  # whose name in the graph has no `Loss`
    "BinaryCrossEntropy": "binary_cross_entropy",
    "BinaryCrossEntropyWithLogits": "binary_cross_entropy_with_logits",
    "KlDiv": "kl_div",
    "SoftMarginLoss": "soft_margin_loss",
}


def told(loss: Any) -> dict[str, Any]:
    """Return `loss_function` and `amp_dtype`, as far as the graph shows them; empty for what has no graph."""
    if getattr(loss, "grad_fn", None) is None:
        return {}
    return {"loss_function": _function(loss.grad_fn), "amp_dtype": _dtype(loss.grad_fn)}


def _function(node: Any) -> str:
    """Return the loss function's name; "" where the loss was computed further, or is a sum of several."""
    for _ in range(4):
        name = re.sub(r"Backward\d*$", "", str(node.name()))
        if name in LOSSES:
            return LOSSES[name]
        if name.startswith("NllLoss") and node.next_functions[0][0].name().startswith("LogSoftmax"):
            return "cross_entropy"
        if "Loss" in name:
            return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", re.sub(r"\d+D$|ND$", "", name)).lower()
        if name not in ("Div", "Mul", "ToCopy", "Mean") or not node.next_functions or node.next_functions[0][0] is None:
            return ""
        node = node.next_functions[0][0]  # scaled, averaged, or converted
    return ""


def _dtype(first: Any) -> str:
    """Return the narrow type that autocast computes in: float32 weights are then converted on their way."""
    seen, waiting = {first}, [first]
    while waiting and len(seen) < MOST:
        node = waiting.pop()
        if node.name().startswith("ToCopy"):
            weight = node.next_functions[0][0]
            if hasattr(weight, "variable") and weight.variable.dtype.itemsize == 4:
                dtype = node._input_metadata[0].dtype
                if dtype.itemsize == 2:
                    return str(dtype).removeprefix("torch.")
        fresh = {each for each, _ in node.next_functions if each is not None} - seen
        seen |= fresh
        waiting.extend(fresh)
    return ""
