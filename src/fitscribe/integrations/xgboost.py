"""XGBoost."""

from __future__ import annotations

from fitscribe import Integration

__all__ = ["integration"]

integration = Integration("xgboost", requires="xgboost>=2.1", also=("xgboost-cpu",))
