"""Snapshots: copies of files as they are at the call, sharing their blocks where the file system can."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO

from fitscribe.errors import MissingFile, MisuseError
from fitscribe.guard import warn_once

__all__ = ["copied"]

FICLONE = 0x40049409  # Linux's request to share all blocks of a file, on the architectures that most people have
PIECE = 1 << 30  # bytes per call of copy_file_range
BLOCK = 1 << 20  # bytes per read where nothing better is there
TRIES = 3  # for a file that changes while it is copied
ODD = [
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
]


def copied(source: Path, target: Path) -> None:
    """Copy a file's content as it is now to `target`, which is new; all of it, or nothing.

    What is appended meanwhile is left out; a file that is changed within is copied again, a few times.
    `MissingFile`: it is not there. `MisuseError`: it is no plain file, or may not be read. `OSError`: there is no
    room for the copy.
    """
    with _opened(source) as old:
        try:
            if not _clonefile(source, target):
                with target.open("wb", buffering=0) as new:
                    if not _shared(old, new):
                        _still(source, old, new)
        except BaseException:
            with contextlib.suppress(OSError):
                target.unlink()
            raise


def _opened(source: Path) -> BinaryIO:
    """Open without waiting: a pipe that nobody writes to would keep the training thread for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        _plain(source, os.stat(source).st_mode)  # opening a device may do something
        old = open(os.open(source, flags | getattr(os, "O_CLOEXEC", 0)), "rb", buffering=0)  # noqa: SIM115
    except FileNotFoundError:
        raise MissingFile(f"there is no file {os.fspath(source)!r} to log (looked in {_here()})") from None
    except PermissionError as error:
        raise MisuseError(f"{os.fspath(source)!r} cannot be read ({error.strerror}); it is not logged") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO):
            raise MissingFile(f"there is no file {os.fspath(source)!r} to log ({error.strerror})") from None
        raise
    with contextlib.ExitStack() as on_error:
        on_error.callback(old.close)
        _plain(source, os.fstat(old.fileno()).st_mode)
        on_error.pop_all()
    return old


def _plain(source: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((words for test, words in ODD if test(mode)), "no plain file")
        raise MisuseError(f"{os.fspath(source)!r} is {kind}; only plain files can be logged")


def _here() -> str:
    with contextlib.suppress(OSError):  # the working directory may have been deleted
        return os.getcwd()
    return "a folder that is not there any more"


def _clonefile(source: Path, target: Path) -> bool:
    """Share the file's blocks on macOS, which takes no time and is one moment's content; False where that cannot be."""
    if sys.platform != "darwin":
        return False
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(AttributeError):  # an old system has no such function
        return bool(library.clonefile(os.fsencode(source), os.fsencode(target), 0) == 0)
    return False


def _shared(old: BinaryIO, new: BinaryIO) -> bool:
    """The same on Linux; small files are as fast to copy."""
    if sys.platform != "linux" or os.fstat(old.fileno()).st_size < BLOCK:
        return False
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        return True
    return False


def _still(source: Path, old: BinaryIO, new: BinaryIO) -> None:
    """Copy until the file did not change meanwhile, other than by growing."""
    for _ in range(TRIES):
        before = os.fstat(old.fileno())
        new.truncate(0)
        _copy(old, new, before.st_size)
        after = os.fstat(old.fileno())
        if after.st_size > before.st_size or after.st_mtime_ns == before.st_mtime_ns:
            return
    warn_once("%s was being written while it was copied; what was recorded of it may be of two moments", source)


def _copy(old: BinaryIO, new: BinaryIO, size: int) -> None:
    """Copy the first `size` bytes; all there is to read of files that do not know their size, as those of /proc."""
    done = 0
    if hasattr(os, "copy_file_range") and size:
        with contextlib.suppress(OSError):
            while done < size and (
                count := os.copy_file_range(old.fileno(), new.fileno(), min(PIECE, size - done), done, done)
            ):
                done += count
    old.seek(done)
    new.seek(done)
    if not size:
        while piece := old.read(BLOCK):
            rest = memoryview(piece)
            while rest:
                rest = rest[new.write(rest) :]
        return
    while done < size and (piece := old.read(min(BLOCK, size - done))):
        done += new.write(piece)
        old.seek(done)  # the disk may take less than all of it
