"""A segment in memory, for the time when no folder takes one: delivered like any other, but lost with the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fitscribe.dialects.parcels import Address
from fitscribe.journal.frames import HEAD, window
from fitscribe.journal.segment import MAGIC, Segment

__all__ = ["MOST", "Memory"]

MOST = 32 << 20  # bytes in all
RESERVE = 8 << 20  # bytes of them that metrics do not get
METRICS = b"\xa4type\xa7metrics"  # how the payload of metrics begins, behind its map's one byte
PIECE = 1 << 20  # bytes that are let go of at once


class Memory:
    """Has the words of `Segment`. Metrics are refused first: the rest has a reserve."""

    durable = False

    def __init__(self, path: Path, base: int, room: int, pressed: Callable[[int], None]) -> None:
        """`path` is where its file will lie once there is room for one, `room` how many bytes it may hold.

        `pressed` is told how scarce room is, from 0 (plenty) upwards: every second metric point should go, every
        fourth, and so on.
        """
        self.path, self.base, self.room, self.pressed = path, base, room, pressed
        self.below = 0  # bytes in segments before it
        self.records = self.settled = 0
        self.acked = self.written = len(MAGIC)
        self.limit = float("inf")
        self.heir: Segment | None = None  # which stands for it, once it was copied
        self._content = bytearray()
        self.start = self.acked  # offset of the first byte that is still held

    def __len__(self) -> int:
        """Return the bytes it holds."""
        return self.written - self.start

    def append(self, framed: bytes) -> None:
        """Keep a frame. `OSError`: there is no room for it."""
        size = len(framed)
        held = self.written - self.start + size
        if held > self.room - RESERVE and (held > self.room or framed.startswith(METRICS, HEAD.size + 1)):
            self.pressed(_pressure(held, self.room))
            raise OSError("the memory set aside for records is full")
        self._content += framed
        self.written += size
        self.records += 1
        self.pressed(_pressure(held, self.room))

    def window(self, most: int) -> bytes:
        """Return what was written since the acknowledged offset, about `most` bytes, but one frame at least."""
        return window(self.piece, self.acked, self.written - self.acked, most)

    def piece(self, offset: int, size: int) -> bytes:
        """Return `size` bytes from an offset on."""
        first = offset - self.start
        return bytes(self._content[first : first + size])  # no view: one would keep `append` out

    def acknowledge(self, offset: int) -> None:
        """Let go of what is delivered."""
        self.acked = offset
        if offset - self.start >= min(PIECE, self.written - self.start):
            del self._content[: offset - self.start]
            self.start = offset

    def note(self, address: Address) -> None:
        """Nothing: nobody can go on from here but this process."""

    def sync(self) -> None:
        """Nothing: a power failure takes it."""

    def close(self, unlock: bool = True) -> None:
        """Let go of everything."""
        self._content = bytearray()
        self.start = self.acked = self.written

    remove = close


def _pressure(held: int, room: int) -> int:
    """Return 0 up to half of what metrics may have, then more with each twentieth beyond."""
    share = held / max(1, room - RESERVE)
    return 0 if share < 0.5 else 1 + int((share - 0.5) * 20)
