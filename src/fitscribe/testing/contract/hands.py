"""Checks that a hook keeps its hands off what is the user's: arguments, containers, attributes of objects."""

from __future__ import annotations

import functools
from typing import Any

from fitscribe.guard import quietly
from fitscribe.observing import Call, Hook
from fitscribe.testing.contract.scene import Scene, promise

__all__ = ["CHECKS"]


def hands_off(scene: Scene) -> None:
    """A hook leaves what the user gave as it was: it hands over new lists, and takes back what it set."""
    touched: list[str] = []

    def change(_: int, hook: Hook) -> Hook:
        @functools.wraps(hook)
        def looked_at(call: Call) -> Any:
            given, running = _state(call), hook(call)
            for _ in running:
                set_before = _changed(given)
                try:
                    result = yield
                except BaseException as error:
                    running.throw(error)
                    raise
                trained = _state(call)
                quietly(running.send, result, default=None)
                left = {place for place in _changed(given) if place in set_before}
                set_after = {place for place in _changed(trained) if place not in set_before}
                touched.extend(_words("before", hook, left) + _words("after", hook, set_after))

        return looked_at

    with scene.hooked(change), scene.on():
        scene.train()
    promise(not touched, "; ".join(dict.fromkeys(touched)))


def _words(when: str, hook: Hook, places: set[tuple[str, str]]) -> list[str]:
    return [f"{when} its yield the hook `{hook.__name__}` changed {key} of {what}" for what, key in sorted(places)]


State = list[tuple[str, Any, dict[Any, Any]]]


def _state(call: Call) -> State:
    """Return what the arguments hold, by identity."""
    given = [*((f"argument {n}", each) for n, each in enumerate(call.args)), *call.kwargs.items()]
    return [(name, each, content) for name, each in given if (content := _content(each)) is not None]


def _content(thing: Any) -> dict[Any, Any] | None:
    if isinstance(thing, list | tuple):
        return dict(enumerate(thing))
    if type(thing) is dict:
        return dict(thing)
    if isinstance(thing, set):
        return {id(each): each for each in thing}
    if isinstance(thing, type) or not hasattr(thing, "__dict__"):
        return None
    return dict(vars(thing))


def _changed(before: State) -> set[tuple[str, str]]:
    """Return what is not the same object any more: in which argument, and under what name or number."""
    found = set()
    for name, thing, content in before:
        after = _content(thing) or {}
        keys = [key for key in {**content, **after} if content.get(key, before) is not after.get(key, before)]
        found |= {(f"{name}, a {type(thing).__name__}", repr(key)) for key in keys}
    return found


CHECKS = (hands_off,)
