"""The trial of a grid search under `autolog()`, which is compared with a faultless one but for times and models."""

from __future__ import annotations

import re
import tempfile
import threading
from collections import Counter
from pathlib import Path

from fitscribe.transport.local import Local
from integration.faults.plan import State
from integration.faults.process import script
from integration.faults.state import Server, difference
from integration.faults.trial import Trial

__all__ = ["SearchTrial"]

OTHER = (r" at \d+$", r"(?<=_time)_?=.*", r"(?<= )[0-9a-f]{64}$")
"""What differs from search to search: moments, durations, the bytes of models and charts."""
TOLD = re.compile(r" (FINISHED|FAILED|RUNNING|tag fitscribe\.end=.*)$")
"""What a search that died ends with, which a faultless one does not."""

_lock = threading.Lock()
_faultless: list[State] = []


class SearchTrial(Trial):
    """A trial whose first process is a grid search."""

    def _first(self) -> None:
        self.search = script("search", self.seed, self.folder, self.environment)
        self.outcome.kinds.append("grid search")
        if self.chance.random() < 0.6:
            self.outcome.kinds.append("kill while logging")
            self.search.until(lambda: bool(self._journals()))
            self.search.until(lambda: False, self.chance.uniform(0.0, 1.0))
            self.search.kill()
        self._finish(self.search)

    def _unplanned(self, found: State) -> list[str]:
        """Let everything be there once; of a search that was killed something may be missing, of its end all."""
        mine, whole = _plain(found), _whole()
        if not self.search.killed:
            return difference(mine, [whole])
        said, sayable = (Counter({line: n for line, n in s.items() if not TOLD.search(line)}) for s in (mine, whole))
        running = [line for line in mine if line.endswith(" RUNNING")]
        return [f"+ {line}" for line in sorted((said - sayable).elements())] + running


def _plain(state: State) -> State:
    plain: State = Counter()
    for line, count in state.items():
        for pattern in OTHER:
            line = re.sub(pattern, "", line)  # noqa: PLW2901
        plain[line] += count
    return plain


def _whole() -> State:
    """Return the state that a faultless search leaves, made once."""
    with _lock:
        if not _faultless:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                process = script("search", 0, folder, {"FITSCRIBE_EXPERIMENT_NAME": "faultless"})
                process.ended()
                store = Local(folder / ".fitscribe")
                _faultless.append(_plain(Server(store).state("faultless")))
                store.close()
                process.close()
        return _faultless[0]
