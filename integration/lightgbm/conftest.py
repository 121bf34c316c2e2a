"""The scene of every boosting library."""

from integration.boosting.scene import everything, only, recorder

__all__ = ["everything", "only", "recorder"]
