"""Answers as they come in: whole, not longer than they are worth, and only where it is sure whose they are."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import msgspec
import requests
import urllib3

from fitscribe.transport import BROKEN

__all__ = ["Twice", "parsed", "traffic", "whole"]

PAGE = 64 << 10  # bytes of an error page that are read
GOOD = 300  # below this status an answer is read to its end


class Twice(ConnectionResetError):
    """More came than one answer, so that it is not sure which request this one belongs to."""


def whole(response: requests.Response, stream: bool) -> requests.Response:
    """Read an answer, unless it is a good one that is to be streamed; of an error page the beginning.

    `requests.RequestException`: it did not come whole, or may not be the answer to this request.
    """
    reader = getattr(response.raw, "reader", None)
    if response.status_code >= GOOD:
        response.raw = io.BytesIO(_beginning(response.raw, response.status_code))
    elif not stream:
        response.content  # noqa: B018  reads and keeps it
    if reader is not None and reader.surplus and not reader.first:
        error = urllib3.exceptions.ProtocolError("more than one answer")
        raise requests.ConnectionError(error) from Twice("the endpoint answered twice")
    return response


def _beginning(raw: Any, status: int) -> bytes:
    """Return the beginning of an error page. Of a refusal the words decide what it means, so they have to be whole."""
    words = b""
    try:
        words = raw.read(PAGE, decode_content=True)
        left = raw.read(1)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if status < BROKEN:
            raw.close()
            raise requests.ConnectionError(error) from error
        left = b"?"
    with contextlib.suppress(OSError):
        raw.close() if left else raw.release_conn()
    return bytes(words)


def traffic(raw: Any) -> tuple[int, int]:
    """Return the bytes sent and received for an answer of urllib3 so far, headers and all, before encryption."""
    reader = getattr(raw, "reader", None)
    return (reader.sent, reader.received) if reader is not None else (0, 0)


def parsed(content: bytes) -> Any:
    """Return the JSON object in the body of an answer, or the body where it is none."""
    if content.lstrip()[:1] != b"{":
        return content
    for parse in (msgspec.json.decode, json.loads):  # the second takes the bare NaN that servers do send
        with contextlib.suppress(ValueError):
            return parse(content)
    return content
