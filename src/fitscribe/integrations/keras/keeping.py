"""The trained model, kept as a model directory of its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["log"]


def log(run: Any, model: Any, data: Any, options: Mapping[str, Any]) -> None:
    """Record the model under `model`; what cannot be saved is left out, and a tag says why."""
    run.log_model(
        model,
        "model",
        flavor="keras",
        model_input=data.sample,
        signature=options["log_model_signatures"],
        input_example=options["log_input_examples"],
        limit=options["max_model_size"],
    )
