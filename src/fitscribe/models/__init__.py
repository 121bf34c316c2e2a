"""The model directory: its format, flavors, signature and requirements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe.models.signature import ModelSignature as ModelSignature
    from fitscribe.models.signature import infer_signature as infer_signature

__all__ = ["ModelSignature", "infer_signature"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'fitscribe.models' has no attribute {name!r}")
    from fitscribe.models import signature

    return getattr(signature, name)
