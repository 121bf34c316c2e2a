"""Keeps our functions out of what `torch.compile` looks at: they break no graph, and make none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

__all__ = ["unseen"]


class Unseen:
    """Our files among those that the compiler leaves alone, as it does its own."""

    key = "the files that torch.compile leaves alone"

    def __init__(self) -> None:
        """Name them all but `hooks.py`, which the compiler has to look into to see that it does nothing there."""
        from torch._dynamo import trace_rules

        self.rules = trace_rules
        here = Path(__file__).parent
        files = [each for each in here.iterdir() if each.name != "hooks.py"]
        files += [each for each in here.parent.iterdir() if each != here]
        files += [each for each in here.parent.parent.iterdir() if each != here.parent]
        self.ours = ["<fitscribe", *(each.as_posix() for each in files)]
        self.rules.SKIP_DIRS.extend(self.ours)
        self.rules._recompile_re()

    def undo(self) -> None:
        """Take them out again."""
        for each in self.ours:
            self.rules.SKIP_DIRS.remove(each)
        self.rules._recompile_re()


def unseen(integration: Any) -> None:
    """Leave our files out, once, for as long as the integration is on."""
    if "torch._dynamo.trace_rules" in sys.modules and not any(isinstance(p, Unseen) for p in integration.patches):
        integration.patches.append(Unseen())
