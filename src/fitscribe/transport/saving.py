"""Saving: the body of an answer, however large, written to a file as it comes; what breaks off is taken up again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests

__all__ = ["saved"]

BLOCK = 1 << 17  # bytes in memory, and lost when a connection breaks
TRIES = 5  # in a row without a byte


def saved(
    ask: Callable[[Mapping[str, str]], requests.Response], file: Path, moving: Callable[[], None]
) -> requests.Response:
    """Write the body that `ask(headers)` gives to a file, unless its status is no good; return the last answer.

    A connection that breaks is opened again for the rest, where the server says that the file is the same one.
    `requests.RequestException`: it broke, and could not be taken up again.
    """
    import requests

    tag, tries = "", TRIES
    with file.open("wb") as out:
        while True:
            have = out.tell()
            try:
                with contextlib.closing(ask({"Range": f"bytes={have}-", "If-Range": tag} if have else {})) as answer:
                    if answer.status_code not in (200, 206):
                        answer.content  # noqa: B018  read while the connection is open
                        return answer
                    if have and answer.status_code == 200:  # it is another file by now
                        out.seek(0)
                        out.truncate()
                    tag = answer.headers.get("ETag", "")
                    for piece in answer.iter_content(BLOCK):
                        out.write(piece)
                        moving()
                    return answer
            except requests.RequestException:
                tries = TRIES if out.tell() > have else tries - 1
                if not tries or not out.tell() or not tag or tag.startswith("W/"):
                    raise
