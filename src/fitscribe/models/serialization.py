"""A model object to one file and back: pickle, cloudpickle or skops."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Literal, TypeAlias, get_args

from fitscribe.errors import FitscribeError, MisuseError, Unavailable
from fitscribe.guard import outcome, quietly
from fitscribe.models.written import too_large

__all__ = ["Format", "check_format", "dump", "load", "modules_of", "noting_pickler", "unknown_types"]

Format: TypeAlias = Literal["cloudpickle", "pickle", "skops"]

# Buffers of arrays go to the file without being copied first; every Python from 3.8 on reads it.
PROTOCOL = 5


def check_format(name: str) -> None:
    """Raise `MisuseError` for a serialization format that nobody reads."""
    if name not in get_args(Format):
        raise MisuseError(f"unknown serialization format {name!r}; use one of {', '.join(get_args(Format))}")


def dump(
    model: object, file: Path, serialization_format: Format, trusted: Iterable[str] = (), limit: float | None = None
) -> set[str]:
    """Write a model to a file and return the names of the modules that loading it imports.

    After an error there is no file. `MisuseError`: the model cannot be written in this format, or would be larger than
    `limit` bytes; for skops also: it holds types that skops does not know and that are not in `trusted`, where
    `sklearn.*` stands for all of a package.
    """
    check_format(serialization_format)
    done = False
    try:
        if serialization_format == "skops":
            if limit is not None:  # skops makes the whole file in memory first
                _dump_pickle(model, _Bounded(_Nowhere(), limit), "cloudpickle")
            modules = _dump_skops(model, file, trusted)
        else:
            with file.open("wb") as stream:
                modules = _dump_pickle(model, _Bounded(stream, limit), serialization_format)
        done = True
    finally:
        if not done:
            file.unlink(missing_ok=True)
    return modules


def modules_of(model: object) -> set[str]:
    """Return the names of the modules that loading this model from a pickle imports; nothing is written."""
    modules: set[str] = set()
    noting_pickler("cloudpickle")(_Nowhere(), modules).dump(model)
    return modules


def load(file: Path, serialization_format: str, trusted: Iterable[str] = ()) -> Any:
    """Read a model from a file; for the pickle formats this runs what the file says.

    `MisuseError`: a skops file holds types that are neither known to skops nor named by the caller in `trusted`; or
    it is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION says that none may be loaded.
    """
    check_format(serialization_format)
    if serialization_format == "skops":
        _check_trusted(file, trusted, "load_model(..., trusted=[...])")
        return _skops().load(file, trusted=sorted(trusted))
    if os.environ.get("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "").strip().lower() in ("false", "0"):
        raise MisuseError(f"{str(file)!r} is a pickle, and MLFLOW_ALLOW_PICKLE_DESERIALIZATION forbids loading those")
    with file.open("rb") as stream:
        return pickle.load(stream)  # a file by cloudpickle imports cloudpickle by itself


class _Nowhere:
    def write(self, data: Any) -> int:
        return memoryview(data).nbytes


class _Bounded:
    """A stream that takes so many bytes and no more: what comes in one piece is refused before it is written."""

    def __init__(self, stream: Any, limit: float | None) -> None:
        self.stream, self.limit, self.size = stream, limit, 0

    def write(self, data: Any) -> int:
        self.size += memoryview(data).nbytes
        if self.limit is not None and self.size > self.limit:
            raise too_large(self.limit)
        return int(self.stream.write(data))


def _dump_pickle(model: object, stream: Any, serialization_format: Format) -> set[str]:
    modules: set[str] = set()
    try:
        noting_pickler(serialization_format)(stream, modules).dump(model)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        hint = "; serialization_format='cloudpickle' takes functions and classes of the script itself"
        raise MisuseError(
            f"this {type(model).__name__} cannot be pickled: {error}{hint if serialization_format == 'pickle' else ''}"
        ) from error
    return modules


@cache
def noting_pickler(serialization_format: Format) -> Any:
    """Make a pickler that notes the module of every class, function and module that it writes by name.

    Each passes `reducer_override` when it is first written. Reading the names back out of the file would cost
    more (2.4 µs an object, measured, where this takes 0.2), and would miss the modules that functions of the
    script use, which stand in the file as text.
    """
    import cloudpickle

    parent: Any = cloudpickle.Pickler if serialization_format == "cloudpickle" else pickle.Pickler
    override = getattr(parent, "reducer_override", None)

    class Noting(parent):  # type: ignore[misc]
        def __init__(self, stream: IO[bytes], modules: set[str], protocol: int = PROTOCOL) -> None:
            super().__init__(stream, protocol=protocol)
            self.modules = modules
            self.nameless: set[type] = set()  # types whose objects have no name, as nearly all have not

        def reducer_override(self, thing: Any) -> Any:
            kind = type(thing)
            if kind not in self.nameless:
                if isinstance(quietly(getattr, thing, "__name__", default=None), str):
                    self.modules.add(_module_of(thing))
                else:
                    self.nameless.add(kind)
            return override(self, thing) if override else NotImplemented

    return Noting


def _module_of(thing: Any) -> str:
    if isinstance(thing, ModuleType):
        return thing.__name__
    module = getattr(thing, "__module__", None)  # a ufunc has none; where the pickler finds it is in its library
    return module if isinstance(module, str) else type(thing).__module__


def _skops() -> Any:
    try:
        import skops.io
    except ImportError:
        raise Unavailable("serialization_format='skops' needs the package skops; install fitscribe[sklearn]") from None
    return skops.io


def _dump_skops(model: object, file: Path, trusted: Iterable[str]) -> set[str]:
    from skops.io.exceptions import UnsupportedTypeException

    try:
        _skops().dump(model, file)
    except (UnsupportedTypeException, pickle.PicklingError, TypeError, AttributeError) as error:
        raise MisuseError(
            f"skops cannot write this {type(model).__name__}: {error}; serialization_format='cloudpickle' may"
        ) from error
    _check_trusted(file, trusted, "save_model(..., skops_trusted_types=[...])")
    with zipfile.ZipFile(file) as archive:
        return set(_named(json.loads(archive.read("schema.json"))))


def _named(node: Any) -> Iterable[str]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("__module__"), str):
                yield node["__module__"]
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def unknown_types(file: Path) -> list[str]:
    """Return the names of the types in a skops file that skops does not load unasked."""
    return sorted(_skops().get_untrusted_types(file=file))


def _is_named(name: str, trusted: tuple[str, ...]) -> bool:
    return any(name == one or (one.endswith(".*") and name.startswith(one[:-1])) for one in trusted)


def _check_trusted(file: Path, trusted: Iterable[str], how: str) -> None:
    # What a file says about its own trust is never read: whoever wrote the file wrote that as well.
    trusted = tuple(trusted)
    if not zipfile.is_zipfile(file):
        raise MisuseError(f"{str(file)!r} is no skops file")
    types = outcome(unknown_types, file)
    if isinstance(types, FitscribeError):
        raise types
    if isinstance(types, Exception):
        raise MisuseError(f"{str(file)!r} is no skops file: {types}") from types
    unknown = sorted(name for name in types if not _is_named(name, trusted))
    if unknown:
        raise MisuseError(
            f"the skops file {file.name} holds types that skops does not know: {', '.join(unknown)}; "
            f"if you trust them, say so: {how}"
        )
