"""statsmodels."""

from __future__ import annotations

from fitscribe import Integration

__all__ = ["integration"]

integration = Integration("statsmodels", requires="statsmodels>=0.14.2")
