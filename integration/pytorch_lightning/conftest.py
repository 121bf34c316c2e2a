"""The package pytorch_lightning, whose trainer is another class with the same code; heard as `lightning` is."""

from __future__ import annotations

import importlib.util

from integration.lightning.conftest import autolog, pytest_collection_modifyitems

__all__ = ["autolog", "pytest_collection_modifyitems"]

collect_ignore_glob = [] if importlib.util.find_spec("pytorch_lightning") else ["test_*.py"]
