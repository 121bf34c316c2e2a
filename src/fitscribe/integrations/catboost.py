"""CatBoost."""

from __future__ import annotations

from fitscribe import Integration

__all__ = ["integration"]

integration = Integration("catboost", requires="catboost>=1.2.5")
