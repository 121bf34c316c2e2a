"""Processes of a trial: scripts and `fitscribe sync`, each with its output in a file, to be killed at any moment."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["Process", "script", "sync"]

ROOT = Path(__file__).resolve().parent.parent.parent
TICK = 0.002  # seconds between looks at a ledger
HANGS = 60.0  # seconds after which a script that was not killed is said to hang


class Process:
    """A process with a group of its own; what it prints goes to `NAME.log` in its folder."""

    def __init__(self, name: str, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        """Start it."""
        self.name, self.folder = name, folder
        self.killed = False
        self._all, mine = os.pipe()  # ends when it and all that it forked are gone
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("FITSCRIBE_", "MLFLOW_"))}
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with (folder / f"{name}.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env={**kept, "PYTHONPATH": paths, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **({"pass_fds": [mine]} if os.name != "nt" else {}),
            )
        os.close(mine)

    def kill(self, *, alone: bool = False) -> None:
        """Kill it, with all that it started or `alone`, as nobody can expect."""
        self.killed = self.killed or self.process.poll() is None
        if alone or os.name == "nt":
            self.process.kill()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Kill what may be left of it."""
        self.kill()
        with contextlib.suppress(OSError):
            os.close(self._all)

    def kill_forked(self) -> None:
        """Kill the process that it forked, if it did."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.folder / "forked.pid").read_text()), signal.SIGKILL)

    def all_gone(self, seconds: float) -> bool:
        """Wait until what it forked is gone as well; False when that takes longer."""
        return bool(select.select([self._all], [], [], seconds)[0]) if os.name != "nt" else True

    def until(self, done: Callable[[], bool], seconds: float = HANGS) -> None:
        """Wait until `done()` or its end, at most so many seconds."""
        deadline = time.monotonic() + seconds
        while not done() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(TICK)

    def ended(self, seconds: float = HANGS) -> bool:
        """Wait for its end; one that takes longer is killed, and False returned."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def calls(self, ledger: str) -> int:
        """Return how many calls had returned, by a ledger of it."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / ledger).stat().st_size
        return 0

    def problems(self) -> list[str]:
        """Return what its user would complain about, after its end."""
        text = (self.folder / f"{self.name}.log").read_text(errors="replace")
        found = [f"{self.name} printed a traceback"] if "Traceback" in text else []
        if not self.killed and self.process.returncode:
            found.append(f"{self.name} ended with status {self.process.returncode}")
        return found


def script(name: str, seed: int, folder: Path, environment: dict[str, str]) -> Process:
    """Start the training script."""
    return Process(name, ["-m", "integration.faults.script", str(seed), name], folder, environment)


def sync(name: str, folder: Path, environment: dict[str, str]) -> Process:
    """Start `fitscribe sync`."""
    return Process(name, ["-m", "fitscribe", "sync"], folder, environment)
