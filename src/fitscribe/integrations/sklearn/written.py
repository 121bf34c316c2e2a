"""A call as the user wrote it, read from the source: in the background, and without a look at anybody's variables.

To look a variable up in a frame would keep all its variables alive (a frame's `f_locals` is a copy that stays), so
what is taken along is where the call stands, and its text is read when the user has gone on. Where there is no source
(`exec`, an older prompt), or the call is written in another way, there is no name.
"""

from __future__ import annotations

import ast
import functools
import sys
from itertools import islice
from types import CodeType
from typing import Any, NamedTuple

__all__ = ["Argument", "Call", "Place", "here", "parameters", "variable"]

OURS = "fitscribe."
INSIDE = (OURS, "sklearn.")
DEEP = 5  # functions of the user's that an argument is followed through, from the inside out
FRAMES = 60  # of ours and of scikit-learn's, between the user's code and us

PLAIN = (str, int, float, bool, type(None))
SHORT = 32  # characters of a text among a call's arguments

Place = tuple[tuple[CodeType, int], ...]


class Argument(NamedTuple):
    """Which argument of which call: `callee` is the name called, or "" for any."""

    callee: str
    place: int
    name: str = ""


class Call(NamedTuple):
    """A call as it is told in `metric_info.json`: plain values as they are, of all else the type alone."""

    name: str
    callee: str  # the name called in the source; "" for any
    names: tuple[str, ...]  # of the arguments
    values: tuple[Any, ...]
    positional: int  # so many of them were given by position
    place: Place

    @classmethod
    def of(cls, name: str, call: Any, bound: int = 0, direct: bool = False) -> Call:
        """Take down a watched call, without its `bound` first arguments."""
        values = tuple([each if type(each) in PLAIN else type(each) for each in (*call.args, *call.kwargs.values())])
        callee = "" if direct else call.function.__name__
        names = (*parameters(call.function)[bound : len(call.args)], *call.kwargs)
        return cls(name, callee, names, values[bound:], len(call.args) - bound, here(direct))

    def text(self) -> str:
        """Write it down; what is no plain value goes by the variable that was given, where there was one."""
        return f"{self.name}({', '.join(map(self._one, range(len(self.names)), self.names, self.values))})"

    def _one(self, at: int, name: str, value: Any) -> str:
        if isinstance(value, type):
            where = Argument(self.callee, at if at < self.positional else sys.maxsize, name)
            return f"{name}={variable(self.place[:1], where, through=False) or f'<{value.__name__}>'}"
        if isinstance(value, str) and len(value) > SHORT:
            value = f"{value[: SHORT - 3]}..."
        return f"{name}={value!r}"


@functools.lru_cache(maxsize=256)
def parameters(function: Any) -> tuple[str, ...]:
    """Return the names of a function's parameters that can be given by position."""
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    code = function.__code__
    names: tuple[str, ...] = code.co_varnames[: code.co_argcount]
    return names


def here(direct: bool = False) -> Place:
    """Return where the user's code stands that called, innermost first (about 1 µs).

    What scikit-learn does in between is left out; with `direct` there is to be nothing in between.
    """
    frame = sys._getframe(1).f_back
    for _ in range(FRAMES):
        if frame is None or not (name := str(frame.f_globals.get("__name__"))).startswith(INSIDE):
            break
        if direct and not name.startswith(OURS):
            return ()
        frame = frame.f_back
    found: list[tuple[CodeType, int]] = []
    while frame is not None and len(found) < DEEP:
        found.append((frame.f_code, frame.f_lasti))
        frame = frame.f_back
    return tuple(found)


def _call_at(code: CodeType, at: int) -> ast.Call | None:
    """Return the call that a frame is in the middle of, as it stands in the source; None where that is not known."""
    import linecache

    first, last, begin, end = next(islice(code.co_positions(), at // 2, None), (None,) * 4)
    if first is None or last is None or begin is None or end is None:
        return None
    lines = [line.encode() for line in linecache.getlines(code.co_filename)[first - 1 : last]]
    if len(lines) != last - first + 1:
        return None
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    try:
        call = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except (SyntaxError, ValueError):  # the file is another one by now
        return None
    return call if isinstance(call, ast.Call) else None


def variable(place: Place, argument: Argument, through: bool = True) -> str:
    """Return the name of the variable that was given as an argument, "" where it was an expression.

    A function that passes its own parameter on is looked `through`: it is `X_test` if that is what it was given.
    """
    found = ""
    for code, at in place:
        node = _given(_call_at(code, at), argument)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return node.attr
        if not isinstance(node, ast.Name):
            return found
        found = node.id
        outer = _parameter(code, found) if through else None
        if outer is None:
            return found
        argument = outer
    return found


def _called(call: ast.Call) -> str:
    """Return the last word of what is called: `predict` of `model.predict(X)`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _given(call: ast.Call | None, argument: Argument) -> ast.expr | None:
    if call is None or (argument.callee and _called(call) != argument.callee):
        return None
    for keyword in call.keywords:
        if keyword.arg == argument.name:
            return keyword.value
    before = call.args[: min(argument.place, len(call.args)) + 1]
    starred = any(isinstance(each, ast.Starred) for each in before)
    return None if starred or len(before) <= argument.place else before[argument.place]


def _parameter(code: CodeType, name: str) -> Argument | None:
    """Say which parameter of a function a variable is; None if it is none, or given another value in there."""
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    if name not in names or _is_assigned(code, name):
        return None
    if name in names[code.co_argcount :]:
        return Argument(code.co_name, sys.maxsize, name)  # by keyword only
    bound = names[0] in ("self", "cls")
    return Argument(code.co_name, names.index(name) - bound, name)


def _is_assigned(code: CodeType, name: str) -> bool:
    import dis

    for each in dis.get_instructions(code):
        if "STORE" in each.opname and (name == each.argval or (isinstance(each.argval, tuple) and name in each.argval)):
            return True
    return False
