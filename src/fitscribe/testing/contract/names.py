"""Everything in a framework that could have been replaced, by identity; and what surrounds it in the process."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple

__all__ = ["Held", "Names", "attributes", "everything", "modules_of", "same", "surroundings", "watched"]

MANY = 500  # things in a registry of a framework beyond which it is not looked into


class Held(NamedTuple):
    """A value and the thing that holds it under a name."""

    holder: Any
    name: Any
    value: Any

    def put(self, value: Any) -> None:
        """Let another value stand there."""
        if isinstance(self.name, int):
            self.holder.cell_contents = value
        else:
            setattr(self.holder, self.name, value)


Names = dict[str, Held]


def modules_of(targets: list[str]) -> set[str]:
    """Return the top-level modules that targets lie in."""
    return {target.partition(":")[0].partition(".")[0] for target in targets}


def everything(tops: set[str]) -> Names:
    """Return every attribute of every module and class below these top-level modules, by its dotted path."""
    found: Names = {}
    done: set[int] = set()
    for name, module in list(sys.modules.items()):
        if module is None or name.partition(".")[0] not in tops:
            continue
        for path, held in _inside(name, module):
            found[path] = held
            value = held.value
            if isinstance(value, type) and id(value) not in done and value.__module__.partition(".")[0] in tops:
                done.add(id(value))
                for below, inner in _inside(f"{value.__module__}.{value.__qualname__}", value):
                    found[below] = inner
                    found.update(_within(below, inner.value))
            elif not isinstance(value, type):
                found.update(_within(path, value))
    return found


def _inside(path: str, holder: Any) -> Iterator[tuple[str, Held]]:
    for name, value in list(vars(holder).items()):
        yield f"{path}.{name}", Held(holder, name, value)


def _within(path: str, value: Any) -> Iterator[tuple[str, Held]]:
    """What a function encloses, what a descriptor holds, and what stands in a list or dict."""
    if isinstance(value, FunctionType):
        for place, cell in enumerate(value.__closure__ or ()):
            try:
                yield f"{path} (what it encloses, {place})", Held(cell, place, cell.cell_contents)
            except ValueError:  # an empty cell
                continue
    elif isinstance(fn := attributes(value).get("fn"), FunctionType):
        yield f"{path}.fn", Held(value, "fn", fn)
    elif isinstance(value, list | set) and len(value) < MANY:
        yield f"{path} (what stands in it)", Held(value, "", tuple(map(id, value)))
    elif type(value) is dict and len(value) < MANY:
        yield f"{path} (what stands in it)", Held(value, "", tuple((str(k), id(v)) for k, v in list(value.items())))


def attributes(thing: Any) -> dict[str, Any]:
    """Return what an object holds; no code of its class runs, which may import what is not there."""
    try:
        found: dict[str, Any] = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found


def watched(thing: Any) -> bool:
    """Whether a wrapper of ours stands there."""
    return "__fitscribe__" in attributes(thing)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same object, or lists of the same, or a counter's."""
    return one is other or (isinstance(one, tuple) and bool(one == other)) or type(one) is type(other) is int


def surroundings() -> dict[str, Any]:
    """Return what belongs to the process and not to an integration, as it is now."""
    import logging

    root = logging.getLogger()
    hooks = {f"sys.{name}": getattr(sys, name) for name in ("excepthook", "displayhook", "stdout", "stderr")}
    return {
        **{f"the variable {name}": value for name, value in os.environ.items()},
        **hooks,
        "threading.excepthook": threading.excepthook,
        "sys.meta_path": [each for each in sys.meta_path if not type(each).__module__.startswith("fitscribe")],
        "sys.path": list(sys.path),
        "the working directory": quiet_cwd(),
        "warnings.filters": list(warnings.filters),
        "warnings.showwarning": warnings.showwarning,
        "the handler of SIGINT": signal.getsignal(signal.SIGINT),
        "the handler of SIGTERM": signal.getsignal(signal.SIGTERM),
        "the root logger's level and handlers": (root.level, list(root.handlers)),
        "the interpreter's switch interval": sys.getswitchinterval(),
    }


def quiet_cwd() -> str:
    """Return the working directory, or "" where it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""
