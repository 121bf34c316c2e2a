"""Frames: how records lie one after the other, so that what is torn or damaged is noticed and stepped over."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

__all__ = ["HEAD", "frame", "frames", "window"]

HEAD = struct.Struct("<II")
MARK = b"\xa4type"  # the key that every record's map begins with, as MessagePack; before it is one byte, the map's

_pack, _unpack, _crc32 = HEAD.pack, HEAD.unpack_from, zlib.crc32


def frame(payload: bytes) -> bytes:
    """Return the frame of a payload."""
    return _pack(len(payload), _crc32(payload)) + payload


def frames(
    content: bytes, start: int = 0, damaged: Callable[[int, int], None] = lambda offset, size: None
) -> Iterator[tuple[bytes, int]]:
    """Yield each whole payload and where its frame ends.

    What cannot be read is stepped over up to the next record that can, and `damaged` is told its offset and its
    length in bytes; at the end of a content it is taken for a frame that is not written yet, or was torn by a crash.
    """
    while start + HEAD.size <= len(content):
        length, crc = _unpack(content, start)
        end = start + HEAD.size + length
        payload = content[start + HEAD.size : end]
        if end > len(content) or not length or _crc32(payload) != crc:
            found = _next(content, start + 1)
            if found < 0:
                return
            damaged(start, found - start)
            start = found
            continue
        yield payload, end
        start = end


def _next(content: bytes, start: int) -> int:
    """Return where the next whole record's frame begins, or -1.

    Zeros are no frame, though their CRC is right: power failures leave whole blocks of them.
    """
    before = HEAD.size + 1
    mark = content.find(MARK, start + before)
    while mark >= 0:
        offset = mark - before
        length, crc = _unpack(content, offset)
        end = offset + HEAD.size + length
        if end <= len(content) and length and _crc32(memoryview(content)[offset + HEAD.size : end]) == crc:
            return offset
        mark = content.find(MARK, mark + 1)
    return -1


def window(piece: Callable[[int, int], bytes], start: int, there: int, most: int) -> bytes:
    """Return about `most` of the `there` bytes from an offset, but one frame at least; `piece(offset, size)` reads."""
    content = piece(start, min(there, max(most, HEAD.size)))
    if len(content) >= HEAD.size and (first := HEAD.size + HEAD.unpack_from(content)[0]) > len(content):
        content = piece(start, min(there, first))
    return content
