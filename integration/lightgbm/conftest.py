"""The scene of every boosting library."""

from integration.boosting.scene import alone, everything, recorder

__all__ = ["alone", "everything", "recorder"]
