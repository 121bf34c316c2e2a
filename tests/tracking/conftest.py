"""The tracking API on an embedded store in the test's own folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fitscribe import attaching, config, current, delivery, experiments
from fitscribe.testing.endpoint import Endpoint


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


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as serving:
        yield serving
        delivery.forget()
        config.configure(tracking_uri=None)
