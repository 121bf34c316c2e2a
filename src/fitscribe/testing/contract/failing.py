"""Checks of the user's own failures: an error, or Ctrl-C, in the framework's functions is passed on as it is."""

from __future__ import annotations

import contextlib
import functools
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fitscribe
from fitscribe.guard import outcome
from fitscribe.testing.contract.names import Held, everything, watched
from fitscribe.testing.contract.scene import Fact, NotTried, Scene, promise

__all__ = ["CHECKS"]

HOUSE = str(Path(fitscribe.__file__).parent)
PASSED_OVER = "<fitscribe"


class End(NamedTuple):
    """How a training ended: with a result, or with an error."""

    result: Any
    error: BaseException | None
    frames: list[tuple[str, str]]


def users_error(scene: Scene) -> None:
    """An error of the user's or of the framework arrives as the same object, with its traceback; the run is FAILED."""
    for late in (False, True):
        _passed_on(scene, lambda: RuntimeError("raised in the training"), late, "FAILED")


def interrupted(scene: Scene) -> None:
    """Ctrl-C in a training arrives as it is, and the run is KILLED."""
    _passed_on(scene, KeyboardInterrupt, True, "KILLED")


def _passed_on(scene: Scene, make: Callable[[], BaseException], late: bool, status: str) -> None:
    """Let the functions that the integration watches raise, at their beginning or when they have done their work."""
    places = scene.places = scene.places or _watched_places(scene)
    promise(places, "the integration watches no function that `use` calls")
    ours = [HOUSE, *{hook.__code__.co_filename for _, hook, _ in scene.integration.hooks if hasattr(hook, "__code__")}]
    with _raising(places, theirs := make(), late):
        plain = _end(scene, ours)
    with _raising(places, error := make(), late), scene.on() as heard:
        found = _end(scene, ours)
        facts = heard.facts()
    when = f"a training that {'ends' if late else 'begins'} with {type(error).__name__}"
    if plain.error is not theirs:  # the framework, or `use`, makes something else of it
        promise(type(found.error) is type(plain.error), f"{when} raises {found.error!r}, without us {plain.error!r}")
        raise NotTried(f"an error in what is watched ends `use` with {plain.error!r}, without us as well")
    promise(found.error is not None, f"{when}: the error was swallowed")
    promise(found.error is error, f"{when}: the user gets another error: {found.error!r}")
    promise(found.frames == plain.frames, f"{when}: its traceback is {found.frames}, and without us {plain.frames}")
    for name in ("__cause__", "__context__", "__suppress_context__", "args", "__notes__"):
        mine, other = getattr(error, name, None), getattr(theirs, name, None)
        promise(type(mine) is type(other), f"{when}: its {name} is {mine!r}, and without us {other!r}")
    _ended(facts, when, status)


def _ended(facts: list[Fact], when: str, status: str) -> None:
    """See that no run is left open, and how the run ended in which it happened, if one had begun."""
    left = [run.name for run in facts if run.status == "RUNNING"]
    promise(not left, f"{when}: the runs {left} were left open")
    ends = [run.status for run in facts]
    promise(status in ends or not ends, f"{when}: the runs ended as {ends}, and none as {status}")


def _watched_places(scene: Scene) -> list[tuple[Held, Any]]:
    """Return where the integration puts its wrappers, each with the function that stands there without it."""
    before = everything(scene.tops)
    with scene.on():
        after = everything(scene.tops)
    found = []
    for path, held in after.items():
        if watched(held.value) and path in before and before[path].value is not held.value:
            found.append((held, before[path]))
    new = {path: held for path, held in after.items() if path not in before and watched(held.value)}
    inherited = [(held, Held(held.holder, held.name, None)) for held in new.values()]
    return [(held, was.value) for held, was in [*found, *inherited]]


@contextlib.contextmanager
def _raising(places: list[tuple[Held, Any]], error: BaseException, late: bool) -> Iterator[None]:
    """Put functions that raise where the watched ones stand; each is put back."""
    try:
        for held, original in places:
            held.put(_raises(original if original is not None else held.value.__wrapped__, error, late))
        yield
    finally:
        for held, original in reversed(places):
            if original is None:
                delattr(held.holder, held.name)
            else:
                held.put(original)


def _raises(original: Callable[..., Any], error: BaseException, late: bool) -> Callable[..., Any]:
    @functools.wraps(original)
    def raising(*args: Any, **kwargs: Any) -> Any:
        if late:
            original(*args, **kwargs)
        raise error

    return raising


def _end(scene: Scene, ours: list[str]) -> End:
    """Train, and return how that ended; of the traceback what is not ours."""
    try:
        result = outcome(scene.train)
    except KeyboardInterrupt as interrupt:
        result, error = None, interrupt
        return End(None, error, _frames(error, ours))
    if isinstance(result, Exception):
        return End(None, result, _frames(result, ours))
    return End(result, None, [])


def _frames(error: BaseException, ours: list[str]) -> list[tuple[str, str]]:
    frames = traceback.extract_tb(error.__traceback__)
    shown = [each for each in frames if not each.filename.startswith((PASSED_OVER, *ours))]
    return [(Path(each.filename).name, each.name) for each in shown]


CHECKS = (users_error, interrupted)
