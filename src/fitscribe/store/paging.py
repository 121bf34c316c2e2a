"""Page tokens: where the next page begins, opaque to whoever passes them back."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeVar

from fitscribe.store.fields import Body, text, wrong

__all__ = ["offset", "page"]

T = TypeVar("T")
FAR = 2**62


def offset(body: Body) -> int:
    """Return how many results the pages before held."""
    token = text(body, "page_token")
    if not token:
        return 0
    try:
        count = int(base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii").removeprefix("next:"))
    except (ValueError, binascii.Error):
        count = -1
    if not 0 <= count < FAR:
        raise wrong("page_token", token, "it must be a token from the answer before, unchanged")
    return count


def page(found: Sequence[T], size: int, start: int) -> tuple[Sequence[T], dict[str, str]]:
    """Split off the one result that was asked for beyond the page; with it there is a token for the next."""
    if len(found) <= size:
        return found, {}
    token = base64.urlsafe_b64encode(f"next:{start + size}".encode()).decode()
    return found[:size], {"next_page_token": token}
