"""A segment: the append-only file that one process writes its records to, and the files beside it.

`<stem>.journal` begins with a line of text; then come frames: the payload's length and CRC-32 (little-endian,
4 bytes each) and the payload, a record as MessagePack. `<stem>.ack` holds the offset up to which an endpoint has
everything. `<stem>.runs` has a line of JSON for each run whose address was learned. `<stem>.lock` is locked as
long as the process lives. `<stem>.home` names the journal's folder where the segment had to lie in another.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from fitscribe.dialects.parcels import Address
from fitscribe.journal import locks
from fitscribe.journal.frames import frame, frames, window

if TYPE_CHECKING:
    from fitscribe.journal.memory import Memory

__all__ = ["MAGIC", "Segment", "acknowledged", "addresses", "frame", "frames", "home_of", "note", "payloads"]

MAGIC = b"fitscribe journal 1\n"
LIMIT = 32 << 20  # bytes, after which the next segment begins, so that disk space comes back in a long process
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)

PIECE = 4 << 20  # bytes that are copied at a time

_encode = msgspec.json.Encoder().encode
_address = msgspec.json.Decoder(Address).decode
_write = os.write
_sync = getattr(os, "fdatasync", os.fsync)


def payloads(path: Path, start: int = 0) -> list[bytes]:
    """Return the payloads of a segment from an offset on, up to the last whole frame."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return []
        file.seek(max(start, len(MAGIC)))
        return [payload for payload, _ in frames(file.read())]


def acknowledged(path: Path) -> int:
    """Return the offset up to which the segment at `path` was delivered; its beginning where that is in doubt."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        offset = int(path.with_suffix(".ack").read_bytes())
        if len(MAGIC) <= offset <= path.stat().st_size:  # a power failure may leave anything
            return offset
    return len(MAGIC)


def addresses(path: Path) -> list[Address]:
    """Return what the segment at `path` knows of runs, the last word on each."""
    known: dict[str, Address] = {}
    with contextlib.suppress(FileNotFoundError):
        for line in path.with_suffix(".runs").read_bytes().splitlines():
            with contextlib.suppress(msgspec.DecodeError):  # the last line may be torn
                found = _address(line)
                known[found.run] = found
    return list(known.values())


def home_of(path: Path) -> Path:
    """Return the journal's folder that the segment at `path` belongs to; its own, unless it had to lie elsewhere."""
    with contextlib.suppress(OSError):
        if named := path.with_suffix(".home").read_bytes():
            return Path(os.fsdecode(named))
    return path.parent


def note(path: Path, address: Address) -> None:
    """Write down beside the segment at `path`, of a process that is gone, where a run is. `OSError`: it cannot be."""
    with path.with_suffix(".runs").open("ab") as file:
        file.write(b"\n" + _encode(address) + b"\n")  # what stands there may end in a torn line


class Segment:
    """A segment that this process writes. `append` is for one thread at a time, the rest for the shipper's."""

    def __init__(self, path: Path, home: Path | None = None, base: int = 0) -> None:
        """Create the file, in a folder that exists, and hold its lock. `OSError`: the folder cannot be written.

        `home` is the folder it should lie in, where that is another; `base` counts the records before its first.
        """
        self.path, self.base = path, base
        self.below = 0  # bytes in segments before it
        self.records = 0
        self.settled = 0  # of them, delivered or set aside
        self.acked = len(MAGIC)
        self.written = len(MAGIC)  # bytes, all of them in whole frames
        self.limit: float = LIMIT  # bytes; from here on the next segment is due
        self.start = len(MAGIC)  # offset of the first byte that it holds
        self.heir: Segment | None = None  # which stands for it, once it was copied
        self._synced = 0  # bytes that a power failure leaves
        locks.hold(path.with_suffix(".lock"))
        self._file = self._reading = self._ack = self._runs = -1
        try:
            self._file = os.open(path, APPEND | os.O_EXCL, 0o600)
            if home is not None:
                path.with_suffix(".home").write_bytes(os.fsencode(home))
            if _write(self._file, MAGIC) != len(MAGIC):
                raise OSError(f"no room on disk for {path}")
            self._reading = os.open(path, READ)
        except BaseException:  # a signal's, perhaps
            self.remove()
            raise

    def append(self, framed: bytes) -> None:
        """Write one frame, whole or not at all. `OSError`: it could not be."""
        whole = False
        try:
            if (done := _write(self._file, framed)) != len(framed):
                self._write_on(framed, done)
            whole = True
        finally:
            if not whole and not self._cut_back(len(framed)):
                self.limit = -1  # something torn may be left at the end: nothing is to follow it
        self.written += len(framed)
        self.records += 1

    def _write_on(self, framed: bytes, done: int) -> None:
        while done < len(framed):
            if not (more := _write(self._file, framed[done:])):
                raise OSError(f"no room on disk for {self.path}")
            done += more

    def _cut_back(self, size: int) -> bool:
        """Take half a frame away; a whole one counts: then a signal's exception came just after the write."""
        with contextlib.suppress(OSError):
            there = os.fstat(self._file).st_size
            if there == self.written + size:
                self.written = there
                self.records += 1
            elif there > self.written:
                os.ftruncate(self._file, self.written)
            return True
        return False

    def window(self, most: int) -> bytes:
        """Return what was written since the acknowledged offset, about `most` bytes, but one frame at least."""
        return window(self.piece, self.acked, self.written - self.acked, most)

    def piece(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on."""
        os.lseek(self._reading, offset, os.SEEK_SET)
        pieces = []
        while size > 0 and (piece := os.read(self._reading, size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def fill(self, other: Segment | Memory) -> None:
        """Write what another segment holds, at the same offsets, and stand for it from then on. `OSError`: no room."""
        offset = other.start
        os.ftruncate(self._file, offset)  # what is delivered may be gone: zeros, which take no room
        while offset < other.written:
            piece = other.piece(offset, min(PIECE, other.written - offset))
            if not piece or _write(self._file, piece) != len(piece):
                raise OSError(f"no room on disk for {self.path}")
            offset += len(piece)
        self.written = offset
        self.acknowledge(other.acked)

    def acknowledge(self, offset: int) -> None:
        """Note that everything before an offset is delivered, and need not be sent again."""
        if self._file < 0:
            return  # closed meanwhile: another process may have it
        self.acked = offset
        with contextlib.suppress(OSError):  # then it is sent again, which changes nothing
            if self._ack < 0:
                self._ack = os.open(self.path.with_suffix(".ack"), APPEND & ~os.O_APPEND, 0o600)
            os.lseek(self._ack, 0, os.SEEK_SET)
            os.write(self._ack, b"%020d\n" % offset)

    def note(self, address: Address) -> None:
        """Write down where a run is, for whoever delivers the rest after a crash."""
        with contextlib.suppress(OSError):
            if self._runs < 0:
                self._runs = os.open(self.path.with_suffix(".runs"), APPEND, 0o600)
            os.write(self._runs, _encode(address) + b"\n")

    @property
    def durable(self) -> bool:
        """True as long as another process could go on from the files: nobody has removed or replaced them."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file))
        except FileNotFoundError:
            return False
        except OSError:
            return True  # the disk does not answer: that is no reason to write it all once more

    def sync(self) -> None:
        """Let what is not delivered outlive a power failure; milliseconds. `OSError`: the disk failed to keep it."""
        if self.acked >= self.written or self._synced >= self.written or self._file < 0:
            return
        first, size = not self._synced, self.written
        _sync(self._file)
        self._synced = size
        if self._runs >= 0:
            _sync(self._runs)
        if first and hasattr(os, "O_DIRECTORY"):
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self, unlock: bool = True) -> None:
        """Close the files and let go of the lock: what is left waits for another process."""
        for file in (self._file, self._reading, self._ack, self._runs):
            if file >= 0:
                with contextlib.suppress(OSError):
                    os.close(file)
        self._file = self._reading = self._ack = self._runs = -1
        if unlock:
            locks.let_go(self.path.with_suffix(".lock"))

    def remove(self) -> None:
        """Close the segment and delete its files."""
        self.close()
        for suffix in (".journal", ".ack", ".runs", ".home"):
            with contextlib.suppress(OSError):
                self.path.with_suffix(suffix).unlink()
