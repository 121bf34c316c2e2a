"""The scene of a check: the same training, with autologging and without, and what was recorded and said of it."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from unittest import mock

from fitscribe import afterwards, guard
from fitscribe.integration import Integration
from fitscribe.observing import Call, Hook
from fitscribe.records import Artifact, DatasetUsed, Drawing, Metrics, ModelLogged, Params
from fitscribe.testing.contract.names import Held, Names, everything, modules_of
from fitscribe.testing.contract.names import same as same_object
from fitscribe.testing.contract.sameness import difference
from fitscribe.testing.isolation import heard
from fitscribe.testing.recorder import Recorder

__all__ = ["Fact", "Heard", "NotTried", "Scene", "drain", "promise", "seed", "told"]


class NotTried(Exception):
    """Raised by a check that cannot be made here, and says why: without us it would go wrong as well."""


def promise(kept: object, words: str) -> None:
    """Raise `AssertionError(words)` unless kept; no `assert`, which Python leaves out under -O."""
    if not kept:
        raise AssertionError(words)


def drain() -> None:
    """Wait until work in the background is done."""
    promise(afterwards.drain(60), "work in the background did not end in a minute")


class Fact(NamedTuple):
    """What was recorded of one run, without what is another each time."""

    name: str
    parent: str
    status: str
    params: tuple[str, ...]
    metrics: tuple[tuple[str, int], ...]
    files: tuple[str, ...]
    inputs: int


class Heard:
    """What a recorder heard and what was logged while autologging was on."""

    def __init__(self, recorder: Recorder, lines: list[logging.LogRecord], usual: tuple[str, ...] = ()) -> None:
        """Hold both; they fill as the training goes on. `usual` is what is logged where nothing fails."""
        self.recorder, self.lines, self.usual = recorder, lines, usual

    def facts(self) -> list[Fact]:
        """Return what was recorded of each run, in the order they began."""
        drain()
        runs = self.recorder.runs()
        names = {run.run: run.name for run in runs}
        return [self._fact(run, names.get(run.parent, "")) for run in runs]

    def _fact(self, run: Any, parent: str) -> Fact:
        said = [each for each in self.recorder.said if getattr(each, "run", "") == run.run]
        points: dict[str, int] = {}
        for each in said:
            for key in each.values if isinstance(each, Metrics) else ():
                points[key] = points.get(key, 0) + 1
        return Fact(
            run.name,
            parent,
            self.recorder.status(run),
            tuple(sorted({key for each in said if isinstance(each, Params) for key in each.values})),
            tuple(sorted(points.items())),
            tuple(sorted(each.path for each in said if isinstance(each, Artifact | Drawing | ModelLogged))),
            sum(isinstance(each, DatasetUsed) for each in said),
        )

    def warnings(self) -> list[str]:
        """Return the lines at WARNING and above, save for the usual ones."""
        drain()
        found = [each.getMessage() for each in self.lines if each.levelno >= logging.WARNING]
        return [line for line in found if line not in self.usual]

    def swallowed(self) -> list[str]:
        """Return the errors that were logged and swallowed, with their tracebacks."""
        return ["".join(traceback.format_exception(each.exc_info[1])) for each in self.lines if each.exc_info]


class Scene:
    """One integration and one training of its author's; `plain` and `alone` are what checks compare with."""

    def __init__(
        self,
        integration: Integration,
        use: Callable[[], Any],
        same: Callable[[Any, Any], Any] | None,
        options: Mapping[str, Any],
        trials: int,
        seconds: float,
    ) -> None:
        """See `check_contract`."""
        self.integration, self.use, self.given, self.options = integration, use, same, dict(options)
        self.trials, self.seconds = trials, seconds
        self.plain: Any = None
        self.takes = 0.0  # seconds that a training takes
        self.watched: Any = None
        self.broken = ""  # how the result of the training with us was another one
        self.alone: list[Fact] = []
        self.usual: tuple[str, ...] = ()  # warnings that come where nothing fails, as of a model from a local build
        self.tops = modules_of([target for target, _, _ in integration.hooks])  # the top-level modules that are watched
        self.names: Names = {}  # all in them, as it was before anything was watched
        self.restless: set[str] = set()  # what of it changes without us as well
        self.places: list[tuple[Held, Any]] = []  # where the wrappers stand, each with what stands there without us
        self.outlives = False  # whether a run goes on after the watched call, so that nobody may be left to end it
        self.hooks: set[int] = set()  # places in `integration.hooks` of those that saw a call
        self.drawn: tuple[list[float], list[float]] = ([], [])

    def prepare(self) -> None:
        """Train without us, twice, and with us, once."""
        self.integration.disable()
        self.train()  # the first time much is imported, and may draw numbers
        began = time.monotonic()
        self.plain = self.train()
        self.takes = time.monotonic() - began
        self.drawn[0].extend(_draw())
        first = everything(self.tops)
        self.compare(self.train(), "`use` itself gives another result each time: seed it, or give `same=`")
        self.names = everything(self.tops)
        self.restless = {
            path
            for path, held in first.items()
            if path not in self.names or not same_object(held.value, self.names[path].value)
        }
        with self.on() as heard, self.counted():
            self.watched = self.train()
            self.drawn[1].extend(_draw())
            self.alone, usual = heard.facts(), heard.warnings()
        self.usual = tuple(usual)

    def train(self) -> Any:
        """Call `use`; the generators of random numbers begin from the same seed each time."""
        seed()
        return self.use()

    def compare(self, result: Any, words: str) -> None:
        """`AssertionError`: a result is not that of the training without us."""
        found = self.unlike(result)
        promise(not found, f"{words}, {found}")

    def unlike(self, result: Any) -> str:
        """Say where a result is not that of the training without us, or "".

        Once that promise is broken, checks of others take either result.
        """
        found = self._unlike(result, self.plain)
        return self._unlike(result, self.watched) if found and self.broken else found

    def _unlike(self, result: Any, expected: Any) -> str:
        if self.given is None:
            return difference(result, expected)
        return "" if self.given(result, expected) else f"`same` says that {result!r:.120} is not {expected!r:.120}"

    @contextlib.contextmanager
    def on(
        self, injected: bool = False, recorder: Recorder | None = None, given: Mapping[str, Any] | None = None
    ) -> Iterator[Heard]:
        """Switch autologging on for a block; unless errors are `injected`, one that is swallowed breaks the contract.

        Options are `given` beside the author's own.
        """
        guard._said.clear()  # what was said once before is said again
        with heard() as lines, recorder or Recorder() as listening:
            self.integration.configure({**self.options, **(given or {})}, explicit=True)
            self.integration.enable()
            try:
                yield Heard(listening, lines, self.usual)
                drain()
            finally:
                self.integration.disable()
                if self.outlives:
                    gc.collect()  # with what the user lets go of its run ends
                    drain()
        swallowed = Heard(listening, lines).swallowed()
        promise(injected or not swallowed, f"an error was logged and swallowed:\n{''.join(swallowed[:1])}".rstrip())

    @contextlib.contextmanager
    def hooked(self, change: Callable[[int, Hook], Hook]) -> Iterator[None]:
        """Let other generators stand in for the hooks that are declared."""
        hooks, before = self.integration.hooks, list(self.integration.hooks)
        hooks[:] = [(target, change(place, hook), nested) for place, (target, hook, nested) in enumerate(before)]
        try:
            yield
        finally:
            hooks[:] = before

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Note in `hooks` which of them see a call; the integration has to be switched on anew in between."""

        def change(place: int, hook: Hook) -> Hook:
            @functools.wraps(hook)
            def counting(call: Call) -> Any:
                self.hooks.add(place)
                return hook(call)

            return counting

        self.integration.disable()
        with self.hooked(change):
            self.integration.configure(self.options, explicit=True)
            self.integration.enable()
            keep = Call.keep

            @functools.wraps(keep)
            def keeping(call: Call, *args: Any, **kwargs: Any) -> Any:
                self.outlives = True
                return keep(call, *args, **kwargs)

            with mock.patch.object(Call, "keep", keeping):
                yield
            self.integration.disable()


def told(found: list[Fact], expected: list[Fact]) -> str:
    """Say how what was recorded differs from what was expected, or ""."""
    one, other = sorted(found), sorted(expected)
    if one == other:
        return ""
    if len(one) != len(other):
        return f"there are {len(one)} runs {[each.name for each in one]} and not {len(other)}"
    mine, theirs = next((mine, theirs) for mine, theirs in zip(one, other, strict=True) if mine != theirs)
    field = next(field for field in Fact._fields if getattr(mine, field) != getattr(theirs, field))
    return f"of the run {mine.name!r} the {field} are {getattr(mine, field)}, not {getattr(theirs, field)}"


def seed() -> None:
    """Let the global generators of random numbers begin anew."""
    random.seed(0)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(0)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


def _draw() -> list[float]:
    """Draw one number of each generator that is global: where one stands shows who drew from it."""
    drain()
    drawn = [random.random()]
    if numpy := sys.modules.get("numpy"):
        drawn.append(float(numpy.random.random()))
    if torch := sys.modules.get("torch"):
        drawn.append(float(torch.rand(1)))
    return drawn
