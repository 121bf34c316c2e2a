"""A segment: the append-only file that one process writes its records to, and the files beside it.

`<stem>.journal` begins with a line of text; then come frames: the payload's length and CRC-32 (little-endian,
4 bytes each) and the payload, a record as MessagePack. `<stem>.ack` holds the offset up to which an endpoint has
everything. `<stem>.runs` has a line of JSON for each run whose address was learned. `<stem>.lock` is locked as
long as the process lives.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from fitscribe.dialects.parcels import Address
from fitscribe.journal import locks

__all__ = ["MAGIC", "Segment", "acknowledged", "addresses", "frame", "frames", "payloads"]

MAGIC = b"fitscribe journal 1\n"
HEAD = struct.Struct("<II")
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)

_encode = msgspec.json.Encoder().encode
_address = msgspec.json.Decoder(Address).decode
_pack, _crc32, _write = HEAD.pack, zlib.crc32, os.write


def frame(payload: bytes) -> bytes:
    """Return the frame of a payload."""
    return _pack(len(payload), _crc32(payload)) + payload


def frames(content: bytes, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield each whole payload and where its frame ends; stop at the first that is torn."""
    while start + HEAD.size <= len(content):
        length, crc = HEAD.unpack_from(content, start)
        end = start + HEAD.size + length
        payload = content[start + HEAD.size : end]
        if end > len(content) or _crc32(payload) != crc:
            return
        yield payload, end
        start = end


def payloads(path: Path, start: int = 0) -> list[bytes]:
    """Return the payloads of a segment from an offset on, up to the last whole frame."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return []
        file.seek(max(start, len(MAGIC)))
        return [payload for payload, _ in frames(file.read())]


def acknowledged(path: Path) -> int:
    """Return the offset up to which the segment at `path` was delivered."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        return max(len(MAGIC), int(path.with_suffix(".ack").read_bytes()))
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


class Segment:
    """A segment that this process writes. `append` is for one thread at a time, the rest for the shipper's."""

    def __init__(self, path: Path) -> None:
        """Create the file, in a folder that exists, and hold its lock. `OSError`: the folder cannot be written."""
        self.path = path
        self.acked = len(MAGIC)
        self.written = len(MAGIC)  # bytes, all of them in whole frames
        locks.hold(path.with_suffix(".lock"))
        self._file = self._reading = self._ack = self._runs = -1
        try:
            self._file = os.open(path, APPEND | os.O_EXCL, 0o600)
            if os.write(self._file, MAGIC) != len(MAGIC):
                raise OSError(f"no room on disk for {path}")
            self._reading = os.open(path, READ)
        except OSError:
            self.remove()
            raise

    def append(self, framed: bytes) -> None:
        """Write one frame in one piece. `OSError`: it could not be, and none of it was."""
        size = len(framed)
        if _write(self._file, framed) != size:
            os.ftruncate(self._file, self.written)  # the disk is full
            raise OSError(f"no room on disk for {self.path}")
        self.written += size

    def window(self, most: int) -> bytes:
        """Return what was written since the acknowledged offset, about `most` bytes, but one frame at least."""
        there = self.written - self.acked
        content = self._read(min(there, most))
        if len(content) >= HEAD.size and (first := HEAD.size + HEAD.unpack_from(content)[0]) > len(content):
            content = self._read(min(there, first))
        return content

    def _read(self, size: int) -> bytes:
        os.lseek(self._reading, self.acked, os.SEEK_SET)
        pieces = []
        while size > 0 and (piece := os.read(self._reading, size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

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

    def close(self) -> None:
        """Close the files and let go of the lock: what is left waits for another process."""
        for file in (self._file, self._reading, self._ack, self._runs):
            if file >= 0:
                with contextlib.suppress(OSError):
                    os.close(file)
        self._file = self._reading = self._ack = self._runs = -1
        locks.let_go(self.path.with_suffix(".lock"))

    def remove(self) -> None:
        """Close the segment and delete its files."""
        self.close()
        for suffix in (".journal", ".ack", ".runs"):
            with contextlib.suppress(OSError):
                self.path.with_suffix(suffix).unlink()
