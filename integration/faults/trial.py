"""A trial: scripts in one folder, killed at moments that a seed tells, behind a proxy that breaks what it can.

At the end `fitscribe sync` on a clean road brings what is left, and the server is compared with a faultless run.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TypeVar

from fitscribe.errors import TransportError
from fitscribe.journal.segment import MAGIC, acknowledged
from fitscribe.transport.http import Http
from fitscribe.transport.local import Local
from integration.faults.plan import Plan, State, planned
from integration.faults.process import Process, script, sync
from integration.faults.proxy import FAULTS, Proxy, Rule
from integration.faults.state import Server, difference

__all__ = ["Outcome", "Trial"]

T = TypeVar("T")

SHORT = {"FITSCRIBE_TIMEOUT": "3", "FITSCRIBE_EXIT_TIMEOUT": "6", "FITSCRIBE_EXIT_PATIENCE": "3", "COLUMNS": "160"}
"""Patience in seconds, so that a trial is over soon."""
PATIENT = {"FITSCRIBE_TIMEOUT": "30"}
SYNCS = 4  # times that the last `fitscribe sync` may need, with a server that is killed as well
RESTARTS = 240.0  # seconds for a server that was killed to be there again
TORN = 60  # bytes at the end of a journal that a power cut takes, which are two records at most
PATHS = ["", "", "", "", "runs/create", "log-batch", "artifacts/", "runs/update", "runs/search", "experiments/"]
STATUSES = [(500, {}), (502, {}), (503, {}), (408, {}), (429, {"Retry-After": "1"})]


@dataclass
class Outcome:
    """What came of a trial."""

    seed: int
    kinds: list[str]
    problems: list[str] = field(default_factory=list)
    lines: int = 0
    kills: int = 0
    requests: int = 0
    met: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


@dataclass
class Session:
    """One script of a trial: its plan, and the states that the server may be in because of it."""

    process: Process
    plan: Plan
    torn: int = 0

    def allowed(self) -> list[State]:
        """Return the states, of which the first is that of the calls that returned."""
        done = self.process.calls(f"{self.process.name}.ledger")
        forked = self.process.calls(f"{self.process.name}.forked.ledger")
        return [state for lost in range(self.torn + 1) for state in self.plan.allowed(max(0, done - lost), forked)]


class Trial:
    """One trial, by its seed: `uri` is that of a real server, or "" for the embedded store."""

    def __init__(self, seed: int, uri: str, folder: Path) -> None:
        """Choose everything that chance chooses beforehand."""
        self.seed, self.uri, self.folder = seed, uri, folder
        self.chance = Random(seed)
        self.experiment = f"trial {seed}"
        self.rules = [] if not uri else [self._rule() for _ in range(self.chance.choice([0, 1, 1, 2, 3]))]
        self.sessions: list[Session] = []
        self.outcome = Outcome(seed, [*{f"fault {rule.fault}": None for rule in self.rules}] or ["no fault"])
        if not uri:
            self.outcome.kinds = ["embedded store"]
        self.environment = {**SHORT, "FITSCRIBE_EXPERIMENT_NAME": self.experiment}

    def _rule(self) -> Rule:
        status, headers = self.chance.choice(STATUSES)
        return Rule(
            self.chance.choice(list(FAULTS)),
            path=self.chance.choice(PATHS),
            chance=self.chance.uniform(0.2, 0.8),
            seconds=self.chance.choice([0.1, 0.5, 4.0]),
            status=status,
            headers=headers,
            random=Random(self.seed),
        )

    def run(self) -> Outcome:
        """Go through the trial."""
        began = time.monotonic()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        with self._road() as proxy:
            self._first()
            for number in range(self.chance.choice([0, 1, 1, 2])):
                self._next(number)
            if proxy:
                proxy.rules = []
                self.outcome.requests, self.outcome.met = proxy.requests, proxy.met
            self._last()
            self._compare()
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    @contextlib.contextmanager
    def _road(self) -> Iterator[Proxy | None]:
        if not self.uri:
            yield None
            return
        with Proxy(int(self.uri.rpartition(":")[2])) as proxy:
            proxy.rules = self.rules
            self.environment["FITSCRIBE_TRACKING_URI"] = proxy.uri
            yield proxy

    # the processes

    def _script(self, name: str) -> Session:
        plan = planned(self.seed, name)
        session = Session(script(name, self.seed, self.folder, self.environment), plan)
        self.sessions.append(session)
        return session

    def _first(self) -> None:
        """Run a script, and kill it while it logs, while it ships, or not at all."""
        session = self._script("first")
        how = self.chance.choice(["while logging"] * 4 + ["while shipping"] * 3 + ["forked process", "no kill"])
        self.outcome.kinds.append(f"kill {how}" if how != "no kill" else how)
        process, calls = session.process, len(session.plan.calls)
        if how == "while logging":
            self._kill_at(process, self.chance.randint(0, calls), 0.03, alone=self.chance.random() < 0.3)
        elif how == "while shipping":
            self._kill_at(process, calls, self.chance.choice([0.05, 0.5, 2.0]))
        elif how == "forked process":
            process.until(lambda: process.calls("first.forked.ledger") >= self.chance.randint(1, 6))
            process.kill_forked()
        self._finish(process)
        if process.killed and not session.plan.forked and self.chance.random() < 0.25:
            self._tear(session)

    def _kill_at(self, process: Process, calls: int, within: float, *, alone: bool = False) -> None:
        process.until(lambda: process.calls(f"{process.name}.ledger") >= calls)
        process.until(lambda: False, self.chance.uniform(0, within))
        process.kill(alone=alone)
        if alone and not process.all_gone(20):
            self.outcome.problems.append("what it forked hangs")

    def _next(self, number: int) -> None:
        """Let the next process find what is left: another script, or `fitscribe sync`, which may be killed too."""
        if self.chance.random() < 0.5:
            session = self._script(f"next{number}")
            process, calls = session.process, len(session.plan.calls)
            if self.chance.random() < 0.6:
                self.outcome.kinds.append("kill of the next process")
                self._kill_at(process, self.chance.randint(0, calls), 1.0)
        else:
            process = sync(f"sync{number}", self.folder, self.environment)
            if self.chance.random() < 0.7:
                self.outcome.kinds.append("kill during sync")
                process.until(lambda: False, self.chance.uniform(0.2, 2.0))
                process.kill()
            elif not process.ended(20):  # its patience depends on the faults: not to the end, then killed as well
                self.outcome.kinds.append("kill during sync")
        self._finish(process, may_fail="sync" in process.name)

    def _finish(self, process: Process, *, may_fail: bool = False) -> None:
        if not process.ended():
            self.outcome.problems.append(f"{process.name} hangs")
        process.close()
        self.outcome.kills += process.killed
        self.outcome.problems += [each for each in process.problems() if "status 1" not in each or not may_fail]

    def _tear(self, session: Session) -> None:
        """Let a power cut take the last bytes that were not delivered."""
        for journal in sorted(self._journals())[-1:]:
            size, least = journal.stat().st_size, max(acknowledged(journal), len(MAGIC))
            if size > least:
                with journal.open("r+b") as file:
                    file.truncate(max(least, size - self.chance.randint(1, TORN)))
                session.torn = 2
                self.outcome.kinds.append("torn journal")

    def _journals(self) -> list[Path]:
        return list(self.folder.glob(".fitscribe/journal/*.journal"))

    # the end

    def _last(self) -> None:
        """Bring what is left on a clean road, while the server may be killed and started again."""
        for number in range(SYNCS):
            self._wait()
            process = sync(f"last{number}", self.folder, self.environment | PATIENT)
            self._finish(process, may_fail=True)
            if process.process.returncode == 0 and not self._journals():
                break
        left = [*self._journals(), *self.folder.glob(".fitscribe/journal/dead-letters.jsonl")]
        left += [file for file in self.folder.glob(".fitscribe/journal/spool/**/*") if file.is_file()]
        self.outcome.problems += [f"{each.relative_to(self.folder)} is left" for each in left]

    def _compare(self) -> None:
        found = self._steady(lambda: self._server().state(self.experiment))
        self.outcome.lines = found.total()
        for session in self.sessions:
            mine = Counter({line: n for line, n in found.items() if line.startswith(f"{session.process.name}.")})
            self.outcome.problems += difference(mine, session.allowed())
            found -= mine
        self.outcome.problems += self._unplanned(found)

    def _unplanned(self, found: State) -> list[str]:
        """Return what is wrong with what no session's plan told."""
        return [f"+ {line}" for line in sorted(found)]

    def _server(self) -> Server:
        return Server(Http(self.uri) if self.uri else Local(self.folder / ".fitscribe"))

    def _wait(self) -> None:
        if self.uri:
            self._server().wait(RESTARTS)

    def _steady(self, read: Callable[[], T]) -> T:
        while True:
            self._wait()
            with contextlib.suppress(TransportError):  # it was killed while we read
                return read()
