"""fitscribe.statsmodels: autologging of statsmodels, and its models logged, saved and loaded."""

from __future__ import annotations

from fitscribe import faces

__getattr__, __dir__ = faces.shown(__name__)
