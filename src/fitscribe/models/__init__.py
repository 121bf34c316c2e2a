"""Models under MLflow's names: signatures, descriptions, models from code; and the model directory they stand for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe.models.enforcement import validate_schema as validate_schema
    from fitscribe.models.examples import (
        convert_input_example_to_serving_input as convert_input_example_to_serving_input,
    )
    from fitscribe.models.model import Model as Model
    from fitscribe.models.scripts import ModelConfig as ModelConfig
    from fitscribe.models.scripts import set_model as set_model
    from fitscribe.models.signature import ModelSignature as ModelSignature
    from fitscribe.models.signature import infer_signature as infer_signature

    get_model_info: Any
    set_signature: Any
    ModelInfo: Any

# Those of `information` ask an endpoint, and stand on a floor above; their names are here as MLflow has them.
_WHERE = {
    "Model": "models.model",
    "ModelConfig": "models.scripts",
    "ModelInfo": "information",
    "ModelSignature": "models.signature",
    "convert_input_example_to_serving_input": "models.examples",
    "get_model_info": "information",
    "infer_signature": "models.signature",
    "set_model": "models.scripts",
    "set_signature": "information",
    "validate_schema": "models.enforcement",
}

__all__ = [
    "Model",
    "ModelConfig",
    "ModelInfo",
    "ModelSignature",
    "convert_input_example_to_serving_input",
    "get_model_info",
    "infer_signature",
    "set_model",
    "set_signature",
    "validate_schema",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'fitscribe.models' has no attribute {name!r}")
    return getattr(importlib.import_module(f"fitscribe.{_WHERE[name]}"), name)
