"""fitscribe.transformers: autologging of the Trainer of transformers."""

from __future__ import annotations

from fitscribe import faces

__getattr__, __dir__ = faces.shown(__name__)
