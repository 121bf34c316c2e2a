"""Optuna."""

from __future__ import annotations

from fitscribe import Integration

__all__ = ["integration"]

integration = Integration("optuna", requires="optuna>=3.6")
