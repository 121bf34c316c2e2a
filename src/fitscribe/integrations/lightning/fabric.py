"""Fabric: what a loop gives to `log` and `log_dict` goes to the user's run as well, where there is one."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import fitscribe
from fitscribe import guarded
from fitscribe.integrations.lightning import loggers, values

__all__ = ["logged"]


def logged(call: Any) -> Generator[None, Any, None]:
    """Record the values at their step; a loop without a run of the user's has nobody to say when it begins or ends."""
    fabric = call.target
    if not fabric.is_global_zero or loggers.ours(fabric):
        return
    with guarded("recording what Fabric logs"):
        if fitscribe.active_run() is not None:
            fitscribe.log_metrics(values.floats(call.argument("metrics")), step=call.argument("step"))
    yield
