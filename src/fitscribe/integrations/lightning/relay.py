"""What a training process that is not the user's own has to say, written to a file for the process with the run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fitscribe.integrations.lightning.follower import Follower

__all__ = ["Relay", "replay"]

FILE = "said.jsonl"
WORDS = ("log_params", "log_metrics", "set_tags", "log_text", "log_checkpoint", "log_dataset")


class Relay:
    """Takes the words of a run in a child process; nothing is sent from there."""

    def __init__(self, folder: Path) -> None:
        """Write into this folder, which is there."""
        self.folder = folder
        self.params: dict[str, str] = {}

    def _say(self, word: str, *args: Any) -> None:
        line = json.dumps([word, *args], default=str)
        with (self.folder / FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Pass params on; what JSON would change is passed as text."""
        told = {key: value if _plain(value) else str(value) for key, value in values.items()}
        self.params |= {key: str(value) for key, value in told.items()}
        self._say("log_params", told)

    def log_metrics(self, values: Mapping[str, float], step: int = 0, at: int | None = None) -> None:
        """Pass metrics on, with the time in milliseconds."""
        self._say("log_metrics", dict(values), step, int(time.time() * 1000) if at is None else at)

    def set_tags(self, values: Mapping[str, Any]) -> None:
        """Pass tags on."""
        self._say("set_tags", {key: str(value) for key, value in values.items()})

    def log_text(self, words: str, path: str) -> None:
        """Pass a text on."""
        self._say("log_text", words, path)

    def log_checkpoint(self, file: str | Path, path: str) -> None:
        """Pass on where a file lies."""
        self._say("log_checkpoint", str(file), path)

    def log_dataset(self, facts: Mapping[str, str], context: str, name: str = "dataset") -> None:
        """Pass a dataset's facts on."""
        self._say("log_dataset", dict(facts), context, name)

    def spool_path(self, name: str) -> Path:
        """Return a path beside what is said; it lives until that has been read."""
        folder = self.folder / f"{time.time_ns():x}"
        folder.mkdir()
        return folder / name

    def log_spooled(self, file: Path, path: str) -> None:
        """Pass a file on that lies at a `spool_path`."""
        self.log_checkpoint(file, path)

    def later(self, piece: Callable[[], object]) -> None:
        """Do it now: this process may end at any time."""
        piece()

    def over(self, facts: Mapping[str, Any]) -> None:
        """Pass on what the follower in the user's process has to know."""
        self._say("over", dict(facts))


def replay(folder: Path, follower: Follower) -> None:
    """Say all that was written in another process, in its order and at its times; a half-written end is left out."""
    file = folder / FILE
    if not file.exists():
        return
    for line in file.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            return
        word, *args = json.loads(line)
        if word == "over":
            follower.learn(args[0])
        elif word in WORDS:
            getattr(follower.run, word)(*args)


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool))
