"""Multipart uploads: large files in parts, straight to the object store behind a tracking server's artifact routes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from fitscribe.dialects.answers import Absent, Broken, content
from fitscribe.dialects.calls import Calls
from fitscribe.errors import ServerError, TransportError
from fitscribe.transport import Unsent
from fitscribe.transport.parts import Parts

__all__ = ["Multipart"]

ROUTE = "/api/2.0/mlflow-artifacts/"
FEATURE = "multipart upload"
SMALLEST = 100 << 20  # bytes of a file that goes in parts, unless MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE says else
PART = 32 << 20  # bytes, unless MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE says else
LEAST = 5 << 20  # bytes of a part; stores take no smaller ones but the last
MOST = 1000  # parts of a file: the server signs an address for each, in one answer


class Begun(msgspec.Struct):
    """An upload on its way: what the server signed, and the parts that are there."""

    upload_id: str
    addresses: list[dict[str, Any]]
    part: int  # bytes
    of: tuple[int, int]  # size and time of the file
    sent: list[dict[str, Any]] = []


class Multipart:
    """Uploads of one endpoint; one that a failure interrupts goes on with the part that failed."""

    def __init__(self, calls: Calls, moving: Callable[[], None]) -> None:
        """`moving` is called whenever bytes have moved."""
        self.calls, self.moving = calls, moving
        self._begun: dict[str, Begun] = {}
        self._parts = Parts()

    def fits(self, size: int) -> bool:
        """True when a file of so many bytes is to go in parts, as far as we know."""
        wanted = os.environ.get("MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD", "true").lower() in ("1", "true")
        least = _bytes("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", SMALLEST)
        return wanted and size >= max(1, least) and not self.calls.local and not self.calls.lacks(FEATURE)

    def upload(self, path: str, file: Path) -> bool:
        """Upload a file to `path` below the artifact routes; False when it is to go in one request instead.

        `TransportError`: later; a new call goes on where this one stopped.
        """
        begun = self._begun.get(path)
        if begun is not None and begun.of != _of(file):  # another file for the same path
            self._give_up(path)
            begun = None
        if begun is None:
            begun = self._create(path, file)
        if begun is None:
            return False
        try:
            self._send(begun, file)
            self._ask("complete", path, {"upload_id": begun.upload_id, "parts": begun.sent})
        except Unsent:
            if begun.sent:  # it was to be reached a moment ago
                raise
            self._give_up(path)
            self._without("its store is not to be reached from here")
            return False
        except (ServerError, Broken):  # too old an address, or an upload that was completed without our knowing
            self._give_up(path)
            return False
        del self._begun[path]
        return True

    def close(self) -> None:
        """Close the connections."""
        self._parts.close()

    def _create(self, path: str, file: Path) -> Begun | None:
        size, _ = found = _of(file)
        part = max(LEAST, _bytes("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", PART), -(-size // MOST))
        count = -(-size // part)
        try:
            answer = self._ask("create", path, {"num_parts": count})
        except ServerError as error:
            self._without(error.message if isinstance(error, Absent) else str(error))
            return None
        addresses = sorted(answer.get("credentials") or [], key=lambda each: int(each.get("part_number", 0)))
        if len(addresses) != count or not all(each.get("url") for each in addresses):
            self._without("it signs no address for each part")
            return None
        self._begun[path] = Begun(str(answer.get("upload_id", "")), addresses, part, found)
        return self._begun[path]

    def _send(self, begun: Begun, file: Path) -> None:
        for number in range(len(begun.sent), len(begun.addresses)):
            address, start = begun.addresses[number], number * begun.part
            piece = file, start, min(begun.part, begun.of[0] - start)
            etag = self._parts.send(address["url"], address.get("headers") or {}, piece, self.moving)
            begun.sent.append({"part_number": number + 1, "etag": etag, "url": address["url"]})

    def _ask(self, what: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        folder, _, name = path.rpartition("/")
        route = f"{ROUTE}mpu/{what}/{folder}"
        return content(self.calls.uri, route, self.calls.transport.send("POST", route, {"path": unquote(name), **body}))

    def _give_up(self, path: str) -> None:
        """Let the store forget the parts that it has, if it can hear us."""
        begun = self._begun.pop(path)
        with contextlib.suppress(ServerError, TransportError):
            self._ask("abort", path, {"upload_id": begun.upload_id})

    def _without(self, why: str) -> None:
        self.calls.note_absent(FEATURE, f"large files go through it in one request ({why})")


def _of(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def _bytes(variable: str, default: int) -> int:
    words = os.environ.get(variable, "")
    return int(words) if words.isdigit() else default
