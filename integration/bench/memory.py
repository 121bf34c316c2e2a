"""How much memory a process of this machine takes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

__all__ = ["resident"]


def resident(process: int | None = None) -> float:
    """Return the resident memory of a process (this one unless named) in MB. `OSError`: the system does not tell."""
    number = process or os.getpid()
    status = Path(f"/proc/{number}/status")
    if status.exists():
        (line,) = [each for each in status.read_text().splitlines() if each.startswith("VmRSS:")]
        return int(line.split()[1]) / 1024
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(number)], capture_output=True, text=True, check=False)
    if not told.stdout.strip():
        raise OSError(f"the memory of process {number} is not known")
    return int(told.stdout) / 1024
