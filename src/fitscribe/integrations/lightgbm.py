"""LightGBM."""

from __future__ import annotations

from fitscribe import Integration

__all__ = ["integration"]

integration = Integration("lightgbm", requires="lightgbm>=4.3")
