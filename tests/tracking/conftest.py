"""The tracking API on an embedded store in the test's own folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fitscribe import attaching, delivery, experiments, run


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Begin without a delivery, and deliver at the end what is left."""
    delivery.forget()
    attaching._by_theirs.clear()
    experiments._known.clear()
    run._entered.set(())
    run._last.clear()
    yield
    delivery.forget()
    run._entered.set(())
