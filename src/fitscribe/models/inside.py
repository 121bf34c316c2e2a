"""What lies inside of a model's folder: names that stay in it, and every file that it holds."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from fitscribe.errors import MisuseError

__all__ = ["inside", "listing", "opened"]

MOST = 100_000  # files and folders in one model
DEEPEST = 64  # folders below one another


def inside(folder: Path, name: object, *, windows: bool = os.name == "nt") -> Path:
    """Return the file or folder of that name in a model's folder, which need not exist.

    `MisuseError`: the name is none, or leads out of the folder by `..`, a root, a drive, or a link on the way.
    """
    names = PurePosixPath(name).parts if isinstance(name, str) else ()
    odd = "\0\\:" if windows else "\0"
    if not names or any(one in ("/", "//", "..") or any(sign in one for sign in odd) for one in names):
        raise _outside(folder, name)
    place = folder.joinpath(*names)
    try:
        stays = place.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a link to itself, a name that no disk takes
        stays = False
    if not stays:
        raise _outside(folder, name)
    return place


def listing(folder: Path) -> dict[str, Path]:
    """Return every file below a folder by its name there, with forward slashes.

    `MisuseError`: what is neither file nor folder, a link to a folder or out of this one, or no end of files.
    """
    home, found, waiting, seen = folder.resolve(), {}, [("", folder, 0)], 0
    while waiting:
        above, here, depth = waiting.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                name, seen = above + entry.name, seen + 1
                if seen > MOST or depth > DEEPEST:
                    raise MisuseError(f"the model in {str(folder)!r} has more than {MOST} files, or {DEEPEST} levels")
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((f"{name}/", Path(entry.path), depth + 1))
                elif _is_file(entry, home):
                    found[name] = Path(entry.path)
                else:
                    raise MisuseError(
                        f"the model in {str(folder)!r} holds {name!r}, a link to a folder or out of the model's own, "
                        "or no file at all; put the file itself there"
                    )
    return found


def _is_file(entry: os.DirEntry[str], home: Path) -> bool:
    try:
        return entry.is_file() and Path(entry.path).resolve().is_relative_to(home)
    except (OSError, RuntimeError):  # a link to itself
        return False


def opened(file: Path) -> int:
    """Open a regular file for reading, and nothing that would make the reader wait; return its descriptor.

    `MisuseError`: it is something else by now.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(file.resolve(), flags | getattr(os, "O_NOFOLLOW", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise MisuseError(f"{str(file)!r} is no file that can be read to its end")
    return descriptor


def _outside(folder: Path, name: object) -> MisuseError:
    return MisuseError(f"the model in {str(folder)!r} names {name!r}; no such file is in there")
