"""fitscribe: one line, `fitscribe.autolog()`, and every training run in the process records itself.

What is named here is loaded when it is first used: `import fitscribe` costs next to nothing and changes nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe import sklearn as sklearn
    from fitscribe.active import ActiveRun
    from fitscribe.autologging import autolog
    from fitscribe.guard import guarded
    from fitscribe.integration import Integration
    from fitscribe.observing import unwatched
    from fitscribe.records import Heatmap, Lines

_WHERE = {
    "ActiveRun": "active",
    "Heatmap": "records",
    "Integration": "integration",
    "Lines": "records",
    "autolog": "autologging",
    "guarded": "guard",
    "unwatched": "observing",
}

__version__ = "0.1.0"
__all__ = ["ActiveRun", "Heatmap", "Integration", "Lines", "autolog", "guarded", "unwatched"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"fitscribe.{_WHERE[name]}"), name)
    elif name == "sklearn":
        value = importlib.import_module("fitscribe.sklearn")
    else:
        raise AttributeError(f"module 'fitscribe' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
