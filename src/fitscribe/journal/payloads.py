"""Payloads: records as the journal holds them, mended where they cannot be written and left out where not read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from fitscribe.guard import guarded, warn_once
from fitscribe.records import Record, decode, encode

__all__ = ["payload", "understood"]

UNFIT = (UnicodeEncodeError, OverflowError, TypeError, ValueError)


def payload(record: Record) -> bytes:
    """Encode a record; empty, and said in the log, when nothing helps."""
    try:
        return encode(record)
    except UNFIT:
        return _mended(record)


def understood(payloads: Iterable[bytes]) -> list[Record]:
    """Decode what this version understands."""
    found: list[Record] = []
    for each in payloads:
        try:
            found.append(decode(each))
        except (msgspec.DecodeError, ValueError):
            warn_once("a record of another version of fitscribe is left out: %s", each[:80])
    return found


def _mended(record: Record) -> bytes:
    """Encode a record that no journal takes as it is: text that is no Unicode, a number of more than 64 bits."""
    with guarded("recording"):
        mended = msgspec.msgpack.encode(_legible(msgspec.to_builtins(record)))
        decode(mended)
        return mended
    return b""


def _legible(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_legible(key): _legible(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_legible(each) for each in value]
    return value
