"""Replace a function and put it back exactly.

A target is `module:function`, `module:Owner.name` (any depth; each step is looked up without binding), or
`module:Owner+.name`: the method on `Owner` and on every subclass that defines it, today and later. Last,
`module:function>variable`: of a decorated function, what it calls, under the name that its decorator gave it. There
the function itself stays the same object, and who imported it by name before is seen as well.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from types import CellType, FunctionType
from typing import Any, TypeAlias

from fitscribe.errors import Unavailable

__all__ = ["Observer", "Patch", "adopters", "family_of", "replace", "split", "watching"]

Observer: TypeAlias = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

ABSENT: Any = object()
_observers: dict[str, Observer] = {}
_patching = threading.RLock()


def watching(key: str) -> Observer | None:
    """Return who watches the calls of a target now; a wrapper asks this by name at every call."""
    return _observers.get(key)


def _wrapped(original: FunctionType, key: str) -> FunctionType:
    """Make the function that stands in for `original`.

    It closes over the original and a string only. A wrapper that held its observer would carry our state along
    when a user's class is pickled by value into a worker; there, nobody watches the key and it just calls through.
    """

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch = watching(key)
        return original(*args, **kwargs) if watch is None else watch(original, args, kwargs)

    wrapper.__fitscribe__ = key  # type: ignore[attr-defined]
    return wrapper  # type: ignore[return-value]


def split(target: str) -> tuple[str, str]:
    """Split a target into its module and the path inside it."""
    module, _, path = target.partition(":")
    if not module or not path:
        raise ValueError(f"a target is written 'module:Owner.name', not {target!r}")
    return module, path


def _raw(owner: Any, name: str) -> Any:
    """Look `name` up on a class, module or object without binding descriptors."""
    for place in getattr(owner, "__mro__", (owner,)):
        if name in vars(place):
            return vars(place)[name]
    return ABSENT


def _resolve(module: Any, path: str, target: str) -> tuple[Any, str]:
    *steps, name = path.split(".")
    owner = module
    for done, step in enumerate(steps):
        owner = _raw(owner, step)
        if owner is ABSENT:
            where = ".".join([module.__name__, *steps[:done]])
            raise Unavailable(f"{target}: {where} has no {step!r} any more")
    return owner, name


class _Single:
    """One function replaced on one owner."""

    def __init__(self, owner: Any, name: str, key: str) -> None:
        original = _raw(owner, name)
        if original is ABSENT:
            raise Unavailable(f"{key}: {owner!r} has no {name!r} any more")
        if not isinstance(original, FunctionType):
            raise TypeError(f"{key}: only plain functions are replaced, and this is a {type(original).__name__}")
        self.owner = _reference(owner)
        self.name, self.before = name, vars(owner).get(name, ABSENT)
        self.wrapper = _wrapped(original, key)
        setattr(owner, name, self.wrapper)

    def undo(self) -> None:
        """Put back what was there, unless somebody else has replaced ours since: then theirs stays."""
        owner = self.owner()
        if owner is None or vars(owner).get(self.name) is not self.wrapper:
            return
        if self.before is ABSENT:
            delattr(owner, self.name)  # it was inherited
        else:
            setattr(owner, self.name, self.before)


def _reference(owner: Any) -> Callable[[], Any]:
    """A weak reference where there can be one: a patch keeps no user's class alive."""
    try:
        return weakref.ref(owner)
    except TypeError:
        return lambda: owner


def family_of(owner: type) -> Iterator[type]:
    """Walk a class and all its subclasses, each once."""
    seen, waiting = set(), [owner]
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            waiting.extend(cls.__subclasses__())


_adopters: dict[str, list[Callable[[type], None]]] = {}


def adopters(family: str) -> tuple[Callable[[type], None], ...]:
    """Return who wants to know of every new subclass; the class's hook asks this by name, as wrappers do."""
    return tuple(_adopters.get(family, ()))


class _Births:
    """The `__init_subclass__` of one class, replaced once for all the names that are watched on it."""

    def __init__(self, owner: type) -> None:
        self.family = f"{owner.__module__}:{owner.__qualname__}"
        self.before = vars(owner).get("__init_subclass__", ABSENT)
        self.hook: Any = _birth_hook(owner, self.before, self.family)
        _adopters[self.family] = []
        setattr(owner, "__init_subclass__", self.hook)  # noqa: B010 - mypy takes the plain form for a mistake

    def leave(self, owner: type, adopt: Callable[[type], None]) -> None:
        _adopters[self.family].remove(adopt)
        if _adopters[self.family]:
            return
        del _births[owner], _adopters[self.family]
        if vars(owner).get("__init_subclass__") is not self.hook:
            return
        if self.before is ABSENT:
            delattr(owner, "__init_subclass__")
        else:
            setattr(owner, "__init_subclass__", self.before)  # noqa: B010


def _birth_hook(parent: Any, before: Any, family: str) -> Any:
    inherited = before is ABSENT
    original: Any = before

    def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:
        if inherited:
            super(parent, cls).__init_subclass__(**kwargs)
        else:
            original.__get__(None, cls)(**kwargs)
        for adopt in adopters(family):
            adopt(cls)

    return classmethod(__init_subclass__)


_births: weakref.WeakKeyDictionary[type, _Births] = weakref.WeakKeyDictionary()
_watched: dict[str, list[type]] = {}  # by method name, the owners of the families it is watched on


class _Family:
    """One method replaced wherever a family of classes defines it as a plain function."""

    def __init__(self, owner: type, name: str, key: str) -> None:
        self.owner, self.name, self.key = owner, name, key
        self.members: list[_Single] = []
        self.adopter = self.greet  # one bound method, so that it can be found again
        _watched.setdefault(name, []).append(owner)
        for cls in family_of(owner):
            self.adopt(cls)
        births = _births.get(owner)
        if births is None:
            births = _births[owner] = _Births(owner)
        _adopters[births.family].append(self.adopter)

    def greet(self, cls: type) -> None:
        """Adopt a class just made, unless an owner that stands before ours in its line does.

        The first one's `__init_subclass__` ends last: another in between may put its own wrapper over the method
        (scikit-learn's transformers do), and a replacement under that one could not be taken away again.
        """
        if next((base for base in cls.__mro__ if base in _watched[self.name]), None) is self.owner:
            self.adopt(cls)

    def adopt(self, cls: type) -> None:
        method = vars(cls).get(self.name)
        if isinstance(method, FunctionType) and not hasattr(method, "__fitscribe__"):
            self.members.append(_Single(cls, self.name, self.key))

    def undo(self) -> None:
        _watched[self.name].remove(self.owner)
        if births := _births.get(self.owner):
            births.leave(self.owner, self.adopter)
        for member in self.members:
            member.undo()


class _Enclosed:
    """What a decorated function calls, replaced in its closure; the name itself, where there is no such variable."""

    def __init__(self, owner: Any, name: str, variable: str, key: str) -> None:
        self.cell = _cell(_raw(owner, name), variable)
        self.named = None if self.cell else _Single(owner, name, key)
        if self.cell:
            self.before = self.cell.cell_contents
            self.wrapper = self.cell.cell_contents = _wrapped(self.before, key)

    def undo(self) -> None:
        if self.named:
            self.named.undo()
        elif self.cell and self.cell.cell_contents is self.wrapper:
            self.cell.cell_contents = self.before


def _cell(function: Any, variable: str) -> CellType | None:
    """Return the variable of a function's closure, if it holds a plain function."""
    code = getattr(function, "__code__", None)
    if code is None or variable not in code.co_freevars:
        return None
    cell: CellType = function.__closure__[code.co_freevars.index(variable)]
    return cell if isinstance(cell.cell_contents, FunctionType) else None


class Patch:
    """A target under watch; `undo()` ends it."""

    def __init__(self, key: str, replaced: _Single | _Family | _Enclosed) -> None:
        self.key, self.replaced = key, replaced

    def undo(self) -> None:
        """Stop watching, and put every function back; what cannot be put back calls straight through."""
        with _patching:
            _observers.pop(self.key, None)
            self.replaced.undo()


def replace(module: Any, target: str, observer: Observer) -> Patch:
    """Let `observer(original, args, kwargs)` stand in for a target inside an imported module.

    `Unavailable`: a step of the path is gone. `TypeError`: it is no plain function; descriptors and
    builtins stay untouched. `ValueError`: the target is watched already.
    """
    path = split(target)[1]
    with _patching:
        if target in _observers:
            raise ValueError(f"{target} is watched already")
        path, _, variable = path.partition(">")
        owner_path, family, name = path.partition("+.")
        owner, last = _resolve(module, f"{owner_path}.{name}" if family else path, target)
        patch = Patch(target, _replaced(owner, last, target, variable, bool(family)))
        _observers[target] = observer
        return patch


def _replaced(owner: Any, name: str, key: str, variable: str, family: bool) -> _Single | _Family | _Enclosed:
    if variable:
        return _Enclosed(owner, name, variable, key)
    return _Family(owner, name, key) if family else _Single(owner, name, key)
