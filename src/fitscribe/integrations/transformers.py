"""Hugging Face transformers."""

from __future__ import annotations

from fitscribe import Integration

__all__ = ["integration"]

integration = Integration("transformers", requires="transformers>=4.46")
