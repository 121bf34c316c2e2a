"""fitscribe.keras_tuner: autologging of KerasTuner's searches."""

from __future__ import annotations

from fitscribe import faces

__getattr__, __dir__ = faces.shown(__name__)
