"""Replace a function and put it back exactly.

A target is `module:function`, `module:Owner.name` (any depth; each step is looked up without binding), or
`module:Owner+.name`: the method on `Owner` and on every subclass that defines it, today and later;
`module:Owner*.name`: also on the mixins from which they inherit it. Either may end in `.name.fn`, for methods that
are descriptors which hold a plain function. Last, `module:function>variable`: of a decorated function, what it calls,
under the name that its decorator gave it. There the function itself stays the same object, and who imported it by
name before is seen as well. `module:*>variable` are all public functions that the module defines in this way.
"""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import CellType, CodeType, FunctionType
from typing import Any, TypeAlias

from fitscribe.errors import Unavailable

__all__ = ["Observer", "Patch", "adopters", "family_of", "passing", "replace", "split", "unseen", "watching"]

Observer: TypeAlias = Callable[[Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

ABSENT: Any = object()
_observers: dict[str, Observer] = {}
_patching = threading.RLock()


def watching(key: str) -> Observer | None:
    """Return who watches the calls of a target now; a wrapper asks this by name at every call."""
    return _observers.get(key)


@functools.cache
def passing(code: CodeType) -> CodeType:
    """Return a function's code such that `warnings.warn(..., stacklevel=2)`, in what it calls, names who called it.

    Python counts the frames of its import machinery out, by their file's name. A warning would else be said to come
    from our line, where Python's filters hide it, or show it once for all the places that it comes from.
    """
    return code.replace(co_filename="<fitscribe, passed over like importlib._bootstrap>")


def unseen(error: BaseException) -> None:
    """Take the caller's own frame out of the traceback of a user's error that passes through it."""
    trace = error.__traceback__
    BaseException.with_traceback(error, trace and trace.tb_next)  # an error may refuse that its attributes are set


def _wrapped(original: FunctionType, key: str) -> FunctionType:
    """Make the function that stands in for `original`.

    It closes over the original and a string only. A wrapper that held its observer would carry our state along
    when a user's class is pickled by value into a worker; there, nobody watches the key and it just calls through.
    """

    @functools.wraps(original)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        watch = watching(key)
        try:
            return original(*args, **kwargs) if watch is None else watch(original, args, kwargs)
        except BaseException as error:
            unseen(error)
            raise

    wrapper.__code__ = passing(wrapper.__code__)  # type: ignore[attr-defined]
    wrapper.__fitscribe__ = key  # type: ignore[attr-defined]
    wrapper._torchdynamo_inline = original  # type: ignore[attr-defined] # what torch.compile looks into, in our place
    return wrapper  # type: ignore[return-value]


OURS = _wrapped(lambda: None, "").__code__  # type: ignore[arg-type] # by what is copied no wrapper can be told
STEPWISE = 0x20 | 0x80 | 0x200  # of a code's flags: what gives a generator or a coroutine has done nothing yet


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
        self.owner, self.name, self.inherited = _reference(owner), name, name not in vars(owner)
        wrapper = _wrapped(original, key)
        self.wrapper, self.before = weakref.ref(wrapper), weakref.ref(original)  # a method holds its class
        setattr(owner, name, wrapper)

    def undo(self) -> None:
        """Put back what was there, unless somebody else has replaced ours since: then theirs stays."""
        owner, wrapper = self.owner(), self.wrapper()
        if owner is None or wrapper is None or vars(owner).get(self.name) is not wrapper:
            return
        if self.inherited:
            delattr(owner, self.name)
        else:
            setattr(owner, self.name, self.before())


class _Second:
    """A second place where a wrapper of ours stands: `fit = Other.fit` in a class made while `Other` was watched."""

    def __init__(self, owner: Any, name: str, wrapper: Any) -> None:
        self.owner, self.name, self.wrapper = _reference(owner), name, weakref.ref(wrapper)

    def undo(self) -> None:
        """Put there what would stand there without us."""
        owner, wrapper = self.owner(), self.wrapper()
        if owner is not None and wrapper is not None and vars(owner).get(self.name) is wrapper:
            setattr(owner, self.name, wrapper.__wrapped__)


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


def _held(thing: Any) -> Mapping[str, Any]:
    """What an object holds; no code of its class runs."""
    try:
        found: Mapping[str, Any] = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return found


class _Family:
    """One method replaced wherever a family of classes defines it as a plain function, or `inside` what it defines.

    `wide`: mixins from which a member inherits it count as members.
    """

    def __init__(self, owner: type, name: str, key: str, wide: bool = False) -> None:
        self.owner, self.key, self.wide = owner, key, wide
        self.name, _, self.inside = name.partition(".")
        self.members: list[_Single | _Second] = []
        self.adopter = self.greet  # one bound method, so that it can be found again
        _watched.setdefault(self.name, []).append(owner)
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
        mixins = [place for place in cls.__mro__ if self.owner not in place.__mro__] if self.wide else ()
        for place in (cls, *mixins):
            method = vars(place).get(self.name)
            if method is None:
                continue
            if self.inside:
                self._replace(method, self.inside, _held(method).get(self.inside))
            else:
                self._replace(place, self.name, method)

    def _replace(self, owner: Any, name: str, method: Any) -> None:
        if not isinstance(method, FunctionType) or method.__code__.co_flags & STEPWISE:
            return
        if method.__code__ is not OURS:
            self.members.append(_Single(owner, name, self.key))
        elif not self.wide:
            self.members.append(_Second(owner, name, method))

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
            import inspect

            self.before = self.cell.cell_contents
            self.wrapper = _wrapped(self.before, key)
            # decorators ask for it at every call, and to work it out takes longer than all of ours
            self.wrapper.__signature__ = inspect.signature(self.before)  # type: ignore[attr-defined]
            self.cell.cell_contents = self.wrapper

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


class _Many:
    """What all public functions of a module call that were decorated there, each replaced in its closure."""

    def __init__(self, module: Any, variable: str, key: str) -> None:
        found = [
            name
            for name, each in vars(module).items()
            if not name.startswith("_") and getattr(each, "__module__", "") == module.__name__ and _cell(each, variable)
        ]
        if not found:
            raise Unavailable(f"{key}: {module.__name__} has no function with a variable {variable!r} any more")
        self.members = [_Enclosed(module, name, variable, key) for name in found]

    def undo(self) -> None:
        for member in self.members:
            member.undo()


class Patch:
    """A target under watch; `undo()` ends it."""

    def __init__(self, key: str, replaced: _Single | _Family | _Enclosed | _Many) -> None:
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
        patch = Patch(target, _replaced(module, path, target))
        _observers[target] = observer
        return patch


def _replaced(module: Any, path: str, key: str) -> _Single | _Family | _Enclosed | _Many:
    path, _, variable = path.partition(">")
    if path == "*":
        return _Many(module, variable, key)
    for sign in "+", "*":
        owner_path, family, name = path.partition(f"{sign}.")
        if family:
            owner, last = _resolve(module, f"{owner_path}.{name.partition('.')[0]}", key)
            inside = name.partition(".")[2]
            return _Family(owner, f"{last}.{inside}" if inside else last, key, wide=sign == "*")
    owner, last = _resolve(module, path, key)
    return _Enclosed(owner, last, variable, key) if variable else _Single(owner, last, key)
