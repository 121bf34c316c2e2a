"""Checks that our own failures stay ours: at each word, each record, each half of a hook the training goes on."""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fitscribe.guard import outcome
from fitscribe.observing import Call, Hook
from fitscribe.records import Record
from fitscribe.run import Run
from fitscribe.testing.contract.scene import Heard, Scene, promise
from fitscribe.testing.recorder import Recorder

__all__ = ["CHECKS"]

INNER = ("start", "attach", "end", "say", "say_params", "keep", "keep_whole")  # not said by integrations
KINDS: tuple[Callable[[str], Exception], ...] = (
    RuntimeError,
    lambda words: OSError(errno.ENOSPC, words),
    MemoryError,
    KeyError,
    AssertionError,
)


def error_of(place: int, words: str) -> Exception:
    """Return an error, of another kind each time."""
    return KINDS[place % len(KINDS)](words)


def words_fail(scene: Scene) -> None:
    """Whatever word of a run raises, in a hook or in a callback: the training goes on, and one line is logged."""
    with _words(lambda _: None) as said, scene.on():
        scene.train()
    for place in _spread(said, scene.trials):
        name, error = said[place], error_of(place, "injected by the contract")

        def fails(number: int, place: int = place, error: Exception = error) -> Exception | None:
            return error if number == place else None

        with scene.on(injected=True) as heard, _words(fails) as again:
            _survives(scene, heard, f"`run.{name}`, word {place + 1} of {len(said)}, raised {type(error).__name__}")
            if len(again) > place:  # else there were fewer words this time, and none failed
                _one_line(heard, f"`run.{name}` raised {type(error).__name__}")


def _spread(said: list[str], trials: int) -> list[int]:
    """Choose places: the first and last of each word, and others evenly, as many as may be tried."""
    chosen = {name: place for place, name in reversed(list(enumerate(said)))}
    places = list(dict.fromkeys([*chosen.values(), *{name: place for place, name in enumerate(said)}.values()]))
    places += [place for place in range(0, len(said), max(1, len(said) // trials)) if place not in places]
    return sorted(places[:trials])


@contextlib.contextmanager
def _words(fails: Callable[[int], Exception | None]) -> Iterator[list[str]]:
    """Count the words that are said to runs, and let some raise; what a word says in turn is none of its own."""
    said: list[str] = []
    inside, lock = threading.local(), threading.Lock()

    def standing_in(name: str, word: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(word)
        def said_here(*args: Any, **kwargs: Any) -> Any:
            if getattr(inside, "word", False):
                return word(*args, **kwargs)
            with lock:
                number = len(said)
                said.append(name)
            if error := fails(number):
                raise error
            inside.word = True
            try:
                return word(*args, **kwargs)
            finally:
                inside.word = False

        return said_here

    before = {name: getattr(Run, name) for name, _ in inspect.getmembers(Run, inspect.isfunction)}
    before = {name: word for name, word in before.items() if not name.startswith("_") and name not in INNER}
    own = {name: vars(Run).get(name) for name in before}
    for name, word in before.items():
        setattr(Run, name, standing_in(name, word))
    try:
        yield said
    finally:
        for name, word in own.items():
            if word is None:
                delattr(Run, name)
            else:
                setattr(Run, name, word)


def _survives(scene: Scene, heard: Heard, what: str, ended: bool = True) -> None:
    """See that a training goes on although something of ours fails, and (where that can be said) its runs end."""
    result = outcome(scene.train)
    promise(not isinstance(result, Exception), f"{what}, and the user's training raised {result!r}")
    scene.compare(result, what)
    left = [run.name for run in heard.facts() if run.status == "RUNNING" and ended and not scene.outlives]
    promise(not left, f"{what}, and the runs {left} were not ended")


def _one_line(heard: Heard, what: str) -> None:
    lines = heard.warnings()
    promise(len(lines) == 1, f"{what}, and {len(lines)} lines were logged: {lines}")


class Failing(Recorder):
    """A recorder that takes some records and raises for others, or has no room for files."""

    def __init__(self, fails: Callable[[int], Exception | None], room: bool = True) -> None:
        super().__init__()
        self.fails, self.room, self.asked = fails, room, 0

    def emit(self, record: Record) -> None:
        """Keep a record, or raise as told."""
        self.asked += 1
        if error := self.fails(self.asked - 1):
            raise error
        super().emit(record)

    def snapshot(self, content: str | Path | bytes, name: str) -> str:
        """Keep a copy, or say that there is no room."""
        return super().snapshot(content, name) if self.room else ""

    def spool_path(self, name: str) -> Path:
        """Return a path, or one that nobody can write to."""
        path = super().spool_path(name)
        return path if self.room else path.parent / "no such folder" / path.name


def records_fail(scene: Scene) -> None:
    """When a record cannot be written, or none can, or the disk is full: the training goes on."""
    counting = Failing(lambda _: None)
    with scene.on(recorder=counting):
        scene.train()
    places = sorted({0, 1, counting.asked // 2, counting.asked - 1} & set(range(counting.asked)))
    for place in places:
        error = error_of(place + 1, "injected by the contract")

        def fails(number: int, place: int = place, error: Exception = error) -> Exception | None:
            return error if number == place else None

        failing = Failing(fails)
        with scene.on(injected=True, recorder=failing) as heard:
            what = f"record {place + 1} of {counting.asked} failed with {type(error).__name__}"
            _survives(scene, heard, what, ended=False)
            if failing.asked > place:
                promise(heard.warnings(), f"{what}, and nothing was logged")
    full = OSError(errno.ENOSPC, "No space left on device")
    for recorder, what in (
        (Failing(lambda _: full), "every record failed for want of space"),
        (Failing(lambda _: None, room=False), "no file could be kept for want of space"),
    ):
        with scene.on(injected=True, recorder=recorder) as heard:
            _survives(scene, heard, what, ended=False)
            twice = {line for line in heard.warnings() if heard.warnings().count(line) > 1}
            promise(not twice, f"{what}, and the same line was logged again and again: {sorted(twice)}")


def hooks_fail(scene: Scene) -> None:
    """When a hook raises before its yield, at it or after it, the training goes on, and one line is logged."""
    for place in sorted(scene.hooks):
        for when in BROKEN:
            raised: list[Exception] = []
            with scene.hooked(functools.partial(_broken, place, when, raised)), scene.on(injected=True) as heard:
                what = f"the hook `{scene.integration.hooks[place][1].__name__}` raised {when}"
                _survives(scene, heard, what)
                lines = set(heard.warnings())
                promise(len(lines) == len(heard.warnings()), f"{what}, and the same line came twice: {sorted(lines)}")
                promise(lines or not raised, f"{what}, and nothing was logged")


BROKEN = ("before it did anything", "just before its yield", "after its yield")


def _broken(place: int, when: str, raised: list[Exception], number: int, hook: Hook) -> Hook:
    """Let the hook at `place` raise, and note it; one that steps aside does not come so far."""
    if number != place:
        return hook
    error = error_of(number + BROKEN.index(when), "injected by the contract")

    def fail() -> None:
        raised.append(error)
        raise error

    @functools.wraps(hook)
    def broken(call: Call) -> Any:
        if when == BROKEN[0]:
            fail()
        with contextlib.closing(hook(call)) as running:
            for _ in running:
                if when == BROKEN[1]:
                    fail()
                result = yield
                with contextlib.suppress(StopIteration):
                    running.send(result)
                fail()

    return broken


def silent(scene: Scene) -> None:
    """Under `silent=True` nothing is said, not even of an error of ours."""
    for place in sorted(scene.hooks)[:1]:
        with (
            scene.hooked(functools.partial(_broken, place, BROKEN[2], [])),
            scene.on(injected=True, given={"silent": True}) as heard,
        ):
            scene.compare(scene.train(), "under silent=True")
            promise(not heard.warnings(), f"silent=True, and it said: {heard.warnings()}")


CHECKS = (words_fail, records_fail, hooks_fail, silent)
