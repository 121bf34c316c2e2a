"""Locks on files that tell living processes from dead ones; the system lets go of them when a process ends.

These are POSIX's locks of whole processes, on NFS too: a forked child does not inherit them, which is what is wanted,
but a process loses one as soon as it closes *any* descriptor of that file. So a file that this process holds is never
opened again here. A locked file says who holds it (`Owner`), for people, and for folders that know no locks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import threading
import time
from pathlib import Path

import msgspec

__all__ = ["FRESH", "Owner", "beat", "held", "hold", "host", "let_go", "owner"]

FRESH = 120.0  # seconds since its last sign of life within which a process is taken to live where no lock can tell
FAR = 1 << 30  # the byte that Windows locks, beyond all content: what is locked there cannot be read
ELSEWHERE = 10  # times that a file may be replaced under our hands
UNSUPPORTED = {
    getattr(errno, name, errno.ENOLCK) for name in ("ENOLCK", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EINVAL", "ENOTTY")
}

_mine: dict[tuple[int, int], tuple[int, int, Path]] = {}  # device and inode -> process id, descriptor, path
_turn = threading.RLock()  # a signal handler may begin a journal in the middle of a call here


class Owner(msgspec.Struct, omit_defaults=True):
    """Who holds a lock: `born` tells a process from a later one with its number, where the system says it."""

    host: str = ""
    pid: int = 0
    born: str = ""
    parent: int = 0  # process id


def hold(path: Path) -> None:
    """Lock a file, which is created, until `let_go` or the end of this process.

    `BlockingIOError`: another process holds it, or this one does; `OSError`: it cannot be made.
    """
    with _turn:
        for _ in range(ELSEWHERE):
            if _known(path):
                break
            file, new = _opened(path)
            try:
                _take(file, path, new)
                here = os.fstat(file)
                if os.path.samestat(here, os.stat(path)):
                    _mine[here.st_dev, here.st_ino] = (os.getpid(), file, path)
                    return
            except FileNotFoundError:
                pass  # who held it before has removed it since we opened it
            except OSError:
                os.close(file)
                raise
            os.close(file)
    raise BlockingIOError(errno.EAGAIN, "another process holds it", str(path))


def let_go(path: Path) -> None:
    """Unlock a file that this process holds, and remove it."""
    with _turn:
        found = next((key for key, (_, _, there) in _mine.items() if there == path), None)
        if found is None:
            return
        process, file, _ = _mine.pop(found)
        if process != os.getpid():
            os.close(file)  # a forked child's copy: the lock is its parent's, and stays
            return
        if sys.platform != "win32":  # removed before others can lock it: they look whether it is still there
            _remove(path, file)
        os.close(file)
        if sys.platform == "win32":
            with contextlib.suppress(OSError):
                path.unlink()


def held(path: Path) -> bool:
    """True when a living process, this one included, holds the file, or may do so."""
    with _turn:
        if _known(path):
            return True
        try:
            file = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            return False
        except PermissionError:
            return _alive(path, None)  # another user's
        try:
            _lock(file)
            return False
        except OSError as error:
            return _alive(path, _owner(file)) if error.errno in UNSUPPORTED else True
        finally:
            os.close(file)


def owner(path: Path) -> Owner | None:
    """Return who holds the file, or held it last; None when it is not there or does not say.

    Not for a file that this process holds: reading it would let go of the lock.
    """
    with _turn:
        if _known(path):
            return _self()
        with contextlib.suppress(OSError):
            file = os.open(path, os.O_RDONLY)
            try:
                return _owner(file)
            finally:
                os.close(file)
    return None


def beat() -> None:
    """Give a sign of life in every file that this process holds."""
    with _turn:
        held_here = [path for process, _, path in _mine.values() if process == os.getpid()]
    for path in held_here:
        with contextlib.suppress(OSError):
            os.utime(path)


def host() -> str:
    """Return this machine's name as journals are named by it."""
    node = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return re.sub(r"[^A-Za-z0-9]+", "-", node)[:40].strip("-") or "host"


def _known(path: Path) -> bool:
    """True when this process holds the file, under whatever name."""
    with contextlib.suppress(OSError):
        there = os.stat(path)
        return _mine.get((there.st_dev, there.st_ino), (0, 0, path))[0] == os.getpid()
    return False


def _opened(path: Path) -> tuple[int, bool]:
    """Return a descriptor, and whether the file was created for it."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(path, flags | os.O_EXCL, 0o600), True
    except FileExistsError:
        return os.open(path, flags, 0o600), False


def _take(file: int, path: Path, new: bool) -> None:
    """Lock a descriptor, and say in the file who does. `OSError`: another holds it."""
    try:
        _lock(file)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise BlockingIOError(errno.EAGAIN, "another process holds it", str(path)) from None
        if not new and _alive(path, _owner(file)):
            raise BlockingIOError(errno.EAGAIN, "another process seems to hold it", str(path)) from None
    with contextlib.suppress(OSError):  # a full disk: the lock is what matters
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, msgspec.json.encode(_self()))


def _remove(path: Path, file: int) -> None:
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(file), os.stat(path)):
            path.unlink()


def _self() -> Owner:
    return Owner(host(), os.getpid(), _born(os.getpid()), os.getppid())


def _owner(file: int) -> Owner | None:
    os.lseek(file, 0, os.SEEK_SET)
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(os.read(file, 1000), type=Owner)
    return None


def _alive(path: Path, known: Owner | None) -> bool:
    """Judge without a lock: by the process on this machine, by its last sign of life on another."""
    if known and known.host == host() and sys.platform != "win32":
        if known.pid == os.getpid():
            return False  # it would be in `_mine`: an earlier process had our number
        try:
            os.kill(known.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return known.born == _born(known.pid)
    with contextlib.suppress(OSError):
        return time.time() - os.stat(path).st_mtime < FRESH
    return False


def _born(pid: int) -> str:
    """Return when a process started, in the system's own measure; "" where it does not say."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY)  # `open` is gone when objects die with the interpreter
        try:
            return os.read(file, 4096).rpartition(b")")[2].split()[19].decode("ascii")
        finally:
            os.close(file)
    return ""


def _in_child() -> None:
    global _turn
    _turn = threading.RLock()  # another thread may have held it at the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        os.lseek(file, FAR, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
