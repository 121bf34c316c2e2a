"""Code that travels with a model: copied into its folder, and found there when it is loaded."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from fitscribe.errors import MisuseError

__all__ = ["CODE", "checked", "copy", "files", "importable", "inferred", "modules_of"]

CODE = "code"

_LEFT = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".ipynb_checkpoints")


def checked(code_paths: Iterable[str | Path] | None) -> tuple[Path, ...]:
    """Return the files and folders to take along. `MisuseError`: one is not there, or two have one name."""
    if isinstance(code_paths, (str, Path)):
        raise MisuseError(f"code_paths is {code_paths!r}; give a list of paths: [{str(code_paths)!r}]")
    found = tuple(Path(each) for each in code_paths or ())
    for each in found:
        if not each.exists():
            raise MisuseError(f"code_paths names {str(each)!r}, and there is no such file or folder")
    names = [each.resolve().name for each in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise MisuseError(f"code_paths names two of the same name: {', '.join(sorted(twice))}")
    return found


def copy(code: Sequence[Path], folder: Path) -> tuple[str, ...]:
    """Copy code into a model's folder; return the names of the files in it. Caches and links' targets stay behind."""
    for each in code:
        target = folder / CODE / each.resolve().name
        target.parent.mkdir(exist_ok=True)
        if each.is_dir():
            shutil.copytree(each, target, ignore=_LEFT, symlinks=False)
        else:
            shutil.copyfile(each, target)
    there = sorted((folder / CODE).rglob("*")) if code else ()
    return tuple(one.relative_to(folder).as_posix() for one in there if one.is_file())


def modules_of(code: Sequence[Path]) -> set[str]:
    """Return the top names under which this code is imported."""
    names = (each.resolve() for each in code)
    return {each.stem if each.suffix == ".py" else each.name for each in names}


def inferred(model: Any) -> list[Path]:
    """Return the files and packages, under the working directory, that the modules of a model are in."""
    from fitscribe.models.serialization import modules_of

    here, found = Path.cwd().resolve(), set()
    for name in modules_of(model):
        top = sys.modules.get(name.partition(".")[0])
        file = getattr(top, "__file__", None)
        if file is None or top is sys.modules.get("__main__"):
            continue
        path = Path(file).resolve()
        if path.is_relative_to(here) and "site-packages" not in path.parts:
            found.add(path.parent if path.name == "__init__.py" else path)
    return sorted(found)


def files(folder: Path, conf: dict[str, Any]) -> list[str]:
    """Return the names of the code files that a flavor's entry says are with the model, for they run when imported."""
    place = _place(folder, conf)
    if place is None:
        return []
    return [one.relative_to(folder).as_posix() for one in sorted(place.rglob("*")) if one.is_file()]


def importable(folder: Path, conf: dict[str, Any]) -> None:
    """Put the model's code on the path of imports, first; it stays there, for a model imports when it likes.

    A module of the same name from another model's folder is forgotten, or this model would run that one's code.
    """
    place = _place(folder, conf)
    if place is None:
        return
    where = str(place.resolve())
    with contextlib.suppress(ValueError):
        sys.path.remove(where)
    sys.path.insert(0, where)
    ours = {one.stem if one.suffix == ".py" else one.name for one in place.iterdir()}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        top = name.partition(".")[0]
        if top in ours and file and f"{CODE}" in Path(file).parts and not Path(file).is_relative_to(where):
            del sys.modules[name]


def _place(folder: Path, conf: dict[str, Any]) -> Path | None:
    name = conf.get(CODE)
    if not name:
        return None
    place = folder / str(name)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise MisuseError(f"the model in {str(folder)!r} names {name!r} as its code, which lies outside of it")
    return place if place.is_dir() else None
