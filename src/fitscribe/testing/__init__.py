"""What integrations are tested with, ours and third parties' alike; what is named here is loaded when it is used.

Fixtures come with the pytest plugin (`plugin.py`), and `check_contract` tries all that an integration must survive.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe.testing.contract import check_contract as check_contract
    from fitscribe.testing.dialects import Seen as Seen
    from fitscribe.testing.dialects import check_dialect as check_dialect
    from fitscribe.testing.endpoint import Endpoint as Endpoint
    from fitscribe.testing.headers import check_headers as check_headers
    from fitscribe.testing.receiver import Receiver as Receiver
    from fitscribe.testing.recorder import Recorder as Recorder
    from fitscribe.testing.stored import Stored as Stored

_WHERE = {
    "Endpoint": "endpoint",
    "Receiver": "receiver",
    "Recorder": "recorder",
    "Seen": "dialects",
    "Stored": "stored",
    "check_contract": "contract",
    "check_dialect": "dialects",
    "check_headers": "headers",
}

__all__ = [
    "Endpoint",
    "Receiver",
    "Recorder",
    "Seen",
    "Stored",
    "check_contract",
    "check_dialect",
    "check_headers",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
