"""Dialects of installed packages, by entry point; whatever goes wrong in one, its records stay in the journal."""

from __future__ import annotations

import importlib.metadata
import threading
import time
from typing import Any

from fitscribe.config import without_credentials
from fitscribe.dialects.parcels import Parcel
from fitscribe.errors import ServerError, TransportError
from fitscribe.guard import outcome
from fitscribe.transport.discretion import Discretion
from fitscribe.undivided import undivided

__all__ = ["GROUP", "Registered"]

GROUP = "fitscribe.dialects"
PATIENCE = 60.0  # seconds until a package that could not be loaded is tried again


class Registered:
    """The dialect that a package has registered for the scheme of a URI, loaded by the first `write`.

    It may fail in ways of its own: each is taken for one that may pass.
    """

    def __init__(self, uri: str) -> None:
        """Take a canonical URI; nothing is looked for yet."""
        self.uri, self.scheme = uri, uri.partition(":")[0]
        self._inner: Any = None
        self._failed, self._why = 0.0, ""
        self._loading = threading.Lock()

    @property
    def parallel(self) -> int:
        """How many runs may be written at a time."""
        return int(getattr(self._inner, "parallel", 1))

    @property
    def transport(self) -> Any:
        """What counts requests and bytes, if the dialect has such a thing."""
        return getattr(self._inner, "transport", self._inner)

    @property
    def moved(self) -> float:
        """Monotonic seconds of the last sign of life from the endpoint."""
        found = outcome(lambda: float(getattr(self._inner, "moved", 0.0)))
        return 0.0 if isinstance(found, Exception) else found

    def write(self, parcel: Parcel) -> None:
        """Let the package write; see `Dialect.write`."""
        with self._loading:
            if self._inner is None:
                self._inner = self._loaded()
        error = outcome(self._inner.write, parcel)
        if isinstance(error, TransportError):
            raise error
        if isinstance(error, ServerError):
            parcel.refuse(parcel.records, str(error))
        elif isinstance(error, Exception):
            raise self._trouble(f"the dialect {self.scheme!r} failed ({type(error).__name__}: {error})")

    def close(self) -> None:
        """Let it go of connections."""
        if self._inner is not None:
            outcome(self._inner.close)

    def _loaded(self) -> Any:
        """Import the package and ask it for the dialect. `TransportError`: none in this environment, or it failed."""
        if self._why and time.monotonic() < self._failed + PATIENCE:
            raise self._trouble(self._why)
        points = list(importlib.metadata.entry_points(group=GROUP, name=self.scheme))
        if not points:
            raise self._trouble(f"no installed package has a dialect for {self.scheme}:", wait=PATIENCE)
        with undivided:
            make = outcome(points[0].load)
        found = make if isinstance(make, Exception) else outcome(make, self.uri)
        if not isinstance(found, Exception):
            return found
        package = points[0].dist.name if points[0].dist else points[0].value
        self._failed = time.monotonic()
        self._why = (
            f"the dialect {self.scheme!r} of the package {package} cannot be used ({type(found).__name__}: {found})"
        )
        raise self._trouble(self._why)

    def _trouble(self, words: str, wait: float = 0.0) -> TransportError:
        shown = Discretion([self.uri]).text(words)
        return TransportError(f"{without_credentials(self.uri)}: {shown}", wait=wait)
