"""A client of an embedded store, one of the same store over HTTP, and an end without open connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fitscribe.client import Client
from fitscribe.delivery import forget
from fitscribe.reading import endpoint
from fitscribe.store import Store
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport import notices


@pytest.fixture(autouse=True)
def nothing_open() -> Iterator[None]:
    """Close what clients and notices opened."""
    yield
    forget()
    endpoint.close_transports()
    for each in notices._notifiers.values():
        each.close()
    notices._notifiers.clear()


@pytest.fixture
def client() -> Client:
    """A client of the store in ./.fitscribe."""
    return Client()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Endpoint]:
    """A store behind a loopback endpoint that fails when told to."""
    store = Store(tmp_path / "served")
    with Endpoint(ledger=store) as found:
        yield found
    store.close()
