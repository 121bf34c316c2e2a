"""TensorFlow's event files, read as they grow: what functions of `tf.function` write passes no Python."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Any

__all__ = ["Folder"]

HEADER = struct.Struct("<QI")  # a record's length and that length's checksum
FOOTER = 4  # bytes of the content's checksum
MOST = 1 << 30  # bytes of one record: more is no length but a torn file


class Folder:
    """The event files in a folder that this process writes."""

    def __init__(self, path: str) -> None:
        """Read nothing yet; `path` may lie in an object store that TensorFlow knows."""
        self.path, self.places = path, {}  # type: tuple[str, dict[str, int]]

    @property
    def far(self) -> bool:
        """True in an object store, where each look costs a request."""
        return "://" in self.path

    def events(self, until: float) -> Iterator[Any]:
        """Yield the events since the last call, of all files, that were written by `until` (seconds since 1970).

        Half a record is left for the next call.
        """
        import tensorflow as tf

        for name in sorted(tf.io.gfile.listdir(self.path)):
            if ".tfevents." in name and f".{os.getpid()}." in name:
                yield from self._of(name, os.path.join(self.path, name), until)

    def _of(self, name: str, file: str, until: float) -> Iterator[Any]:
        import tensorflow as tf

        place = self.places.get(name, 0)
        with tf.io.gfile.GFile(file, "rb") as stream:
            stream.seek(place)
            content = stream.read()
        at = 0
        while at + HEADER.size <= len(content):
            length = HEADER.unpack_from(content, at)[0]
            end = at + HEADER.size + length + FOOTER
            if length > MOST or end > len(content):
                break
            event = tf.compat.v1.Event.FromString(content[at + HEADER.size : end - FOOTER])
            if event.wall_time > until:
                break
            yield event
            at = end
            self.places[name] = place + at
