"""The tracking API on an embedded store in the test's own folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fitscribe import attaching, current, delivery, experiments


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Begin without a delivery, and deliver at the end what is left."""
    delivery.forget()
    attaching._by_theirs.clear()
    experiments._known.clear()
    current._entered.set(())
    current._last.clear()
    yield
    delivery.forget()
    current._entered.set(())
