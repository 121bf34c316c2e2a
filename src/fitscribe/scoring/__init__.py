"""A model behind HTTP: MLflow's scoring protocol, from the bytes of a request to the bytes of an answer."""

from __future__ import annotations

__all__ = ["LIMIT", "SECONDS"]

LIMIT = 256 * 1024 * 1024  # bytes of a request's body
SECONDS = 60.0  # for a request as a whole
