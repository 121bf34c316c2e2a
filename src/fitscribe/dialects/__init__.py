"""Dialects: our records in the words of one kind of endpoint.

Another package can add one, for tracking URIs with a scheme of its own:

    [project.entry-points."fitscribe.dialects"]
    acme = "acme_scribe:dialect"

`acme_scribe.dialect` is called with the tracking URI, `acme://host/...`, and returns a `Dialect`. That happens in the
background, with the first record for such a URI; until then nothing of the package is imported. What it raises then or
later leaves the records in the journal. `fitscribe.testing.dialects.check_dialect` tells whether it can be relied on.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from fitscribe.config import directory_of
from fitscribe.dialects.parcels import Address, AddressBook, Parcel, Refusal
from fitscribe.undivided import undivided

__all__ = ["Address", "AddressBook", "Dialect", "Parcel", "Refusal", "dialect_for"]


class Dialect(Protocol):
    """The words of one endpoint; safe to use from several threads, for different runs."""

    @property
    def parallel(self) -> int:
        """How many runs may be written at a time."""

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life from the endpoint."""

    def write(self, parcel: Parcel) -> None:
        """Write the parcel, or what an earlier call left of it; what is refused for good goes to `parcel.refuse`.

        `TransportError`: it may work later; the same parcel comes again, and goes on where it stopped.
        """

    def close(self) -> None:
        """Let go of connections; a later `write` opens them again."""


_dialects: dict[tuple[int, str], Dialect] = {}


def dialect_for(uri: str) -> Dialect:
    """Return the dialect for a canonical tracking URI, the same one for each call in a process."""
    key = (os.getpid(), uri)  # a forked child must not talk on its parent's connections
    found = _dialects.get(key)
    if found is None:
        found = _dialects.setdefault(key, _made(uri))
    return found


def _made(uri: str) -> Dialect:
    folder: Path | None = directory_of(uri)
    if folder is None and uri.partition(":")[0] not in ("http", "https"):
        from fitscribe.dialects.registered import Registered

        return Registered(uri)
    with undivided:
        from fitscribe.dialects.mlflow import MLflow
        from fitscribe.transport.http import Http
        from fitscribe.transport.local import Local
    return MLflow(Local(folder) if folder is not None else Http(uri), uri)
