"""Checks of what is recorded and what is not: once, in the user's run or its own, by the options."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from fitscribe import afterwards
from fitscribe.current import entered
from fitscribe.integration import COMMON
from fitscribe.observing import unwatched
from fitscribe.run import Run
from fitscribe.testing.contract.names import Held, everything, same, surroundings, watched
from fitscribe.testing.contract.scene import NotTried, Scene, promise, told

__all__ = ["CHECKS"]

SHOWN = 5
NOTHING = (
    "no run was recorded: does `use` call what is watched? A function that it imported by name before is not seen by a "
    "target `module:function`; `module:function>variable` and methods are"
)


def same_result(scene: Scene) -> None:
    """A training gives the same result with autologging as without."""
    scene.broken = scene.unlike(scene.watched)
    promise(not scene.broken, f"with autologging on, {scene.broken}")


def randomness(scene: Scene) -> None:
    """Autologging draws none of the user's random numbers."""
    promise(scene.drawn[0] == scene.drawn[1], "the next random number after the training is another one")


def recorded(scene: Scene) -> None:
    """A training is recorded: a run that has params or metrics, and ends as FINISHED."""
    promise(scene.alone, NOTHING)
    for run in scene.alone:
        promise(run.status == "FINISHED", f"the run {run.name!r} is {run.status} when the training is over")
    promise(any(run.params or run.metrics for run in scene.alone), "no run has a param or a metric")


def enabled_twice(scene: Scene) -> None:
    """Switched on twice, a training is recorded once."""
    with scene.on() as heard:
        scene.integration.enable()
        scene.compare(scene.train(), "switched on twice")
        found = told(heard.facts(), scene.alone)
    promise(not found, f"switched on twice, {found}")


def undone(scene: Scene) -> None:
    """Switched off, twice, every name of the framework is the very object that was there before."""
    with scene.on():
        scene.train()
    scene.integration.disable()
    before, after = scene.names, everything(scene.tops)
    changed = [
        path
        for path, held in before.items()
        if path not in scene.restless and (path not in after or not same(held.value, after[path].value))
    ]
    ours = [path for path, held in after.items() if watched(held.value)]
    there = {each.rpartition(".")[0] for each in before}
    new = [path for path, held in after.items() if path not in before and path.rpartition(".")[0] in there]
    new = [path for path in new if _added(after[path])]
    promise(not ours, f"{_listed(ours)} is still watched")
    promise(not changed, f"{_listed(changed)} is not what it was")
    promise(not new, f"{_listed(new)} was not there before")


def _added(held: Held) -> bool:
    """Whether somebody put this on a class; modules get names by imports, and classes some by Python itself."""
    own = callable(held.value) or isinstance(held.value, classmethod) or not str(held.name).startswith("__")
    return isinstance(held.holder, type) and own


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(sorted(paths)[:SHOWN]) + more


def surroundings_kept(scene: Scene) -> None:
    """The environment, warnings, signals, hooks and the working folder are as a training without us leaves them."""
    scene.train()
    before = surroundings()
    with scene.on():
        scene.train()
    after = surroundings()
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    promise(not changed, f"{_listed(changed)} is not what it was")


def lets_go(scene: Scene) -> None:
    """What the user lets go of is let go: autologging keeps no model and no data alive."""
    if left := _left(scene):
        raise NotTried(f"without us as well {', '.join(left)} of the result stays alive")
    with scene.on():
        left = _left(scene)
    promise(not left, f"{', '.join(left)} of the training's result is still alive when nobody holds it any more")


def _left(scene: Scene) -> list[str]:
    """Train, let go of the result, and return the types of its parts that live on."""
    held = _parts(scene.train())
    afterwards.drain(60)
    gc.collect()
    return sorted({type(each()).__name__ for each in held if each() is not None})


def _parts(result: Any) -> list[weakref.ref[Any]]:
    parts = [result]
    if isinstance(result, list | tuple):
        parts += result
    elif isinstance(result, dict):
        parts += result.values()
    return [weakref.ref(each) for each in parts if type(each).__weakrefoffset__ and not isinstance(each, type)]


def inside_a_run(scene: Scene) -> None:
    """In a run of the user's a training is recorded there, a second one below it; the run stays the user's."""
    if not scene.alone:
        raise NotTried("no run was recorded")
    with scene.on() as heard:
        mine = Run.start("mine", by_user=True)
        with entered(mine):
            mine.log_params({"said by the user": "yes"})
            for turn in range(2):
                scene.compare(scene.train(), "in a run of the user's")
                found = heard.facts()
                below = [run for run in found if run.parent]
                expected = len(scene.alone) * (turn + 1) - 1
                words = f"after training {turn + 1} in a run of the user's there are {len(below)} runs below it"
                promise(len(below) == expected, f"{words}, not {expected}; in all {[run.name for run in found]}")
                promise(len(found) == len(below) + 1, f"there are runs beside it: {[run.name for run in found]}")
                promise(found[0].status == "RUNNING", f"the user's run was ended, as {found[0].status}")
        mine.end()
    first, solo = set(found[0].params) - {"said by the user"}, set(scene.alone[0].params)
    promise(first >= solo, f"in the user's run the params are {sorted(first)}; in one of our own {sorted(solo)}")


def exclusive(scene: Scene) -> None:
    """With `exclusive=True` nothing is added to a run of the user's; without one, a training is recorded."""
    with scene.on(given={"exclusive": True}) as heard:
        mine = Run.start("mine", by_user=True)
        with entered(mine):
            scene.compare(scene.train(), "under exclusive=True")
        mine.end()
        found = heard.facts()
    added = [run.name for run in found[1:]], found[0].params, found[0].metrics
    words = f"exclusive=True in a run of the user's added runs, params, metrics: {added}"
    promise(not any(added), words)
    with scene.on(given={"exclusive": True}) as heard:
        scene.train()
        wrong = told(heard.facts(), scene.alone)
    promise(not wrong, f"exclusive=True without a run of the user's: {wrong}")


def extra_tags(scene: Scene) -> None:
    """Runs of our own say who made them, and carry `extra_tags`."""
    with scene.on(given={"extra_tags": {"asked": "yes"}}) as heard:
        scene.train()
        runs = [run for run in heard.recorder.runs() if not run.parent]
        for run in runs:
            tags = heard.recorder.tags(run)
            promise(tags.get("asked") == "yes", f"the run {run.name!r} lacks the tag that extra_tags asked for")
            maker = tags.get("mlflow.autologging")
            promise(maker, f"the tag mlflow.autologging of {run.name!r} is {maker!r}")


def unwatched_blocks(scene: Scene) -> None:
    """In `with fitscribe.unwatched():` nothing is recorded."""
    with scene.on() as heard:
        with unwatched():
            scene.compare(scene.train(), "in `with unwatched()`")
        found = heard.facts()
    promise(not found, f"in `with unwatched()` were recorded {[run.name for run in found]}")


def options_turned(scene: Scene) -> None:
    """With every switch among its options turned the other way a training gives the same result."""
    integration = scene.integration
    own = integration.defaults.keys() - COMMON.keys() - integration.not_built.keys() - scene.options.keys()
    turned = {name: not integration.defaults[name] for name in own if isinstance(integration.defaults[name], bool)}
    if not turned:
        raise NotTried("it has no switches of its own")
    with scene.on(given=turned):
        scene.compare(scene.train(), f"with {', '.join(f'{key}={value}' for key, value in sorted(turned.items()))}")


CHECKS = (
    same_result,
    randomness,
    recorded,
    enabled_twice,
    undone,
    surroundings_kept,
    lets_go,
    inside_a_run,
    exclusive,
    extra_tags,
    unwatched_blocks,
    options_turned,
)
