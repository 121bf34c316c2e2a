"""The pytest plugin, which comes with fitscribe: fixtures, and one marker. Nothing happens to tests that use neither.

`fitscribe_recorder` hears what runs say, `fitscribe_endpoint` is a server that fails when told to, `fitscribe_store` a
real embedded store in the test's folder; `fitscribe_apart`, which the three build on, begins without settings, and puts
everything back. An error of ours that was logged and swallowed fails a test that uses any of them, unless it is marked
`swallows`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from fitscribe.testing.endpoint import Endpoint
    from fitscribe.testing.recorder import Recorder
    from fitscribe.testing.stored import Stored

__all__ = ["fitscribe_apart", "fitscribe_endpoint", "fitscribe_recorder", "fitscribe_store"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "swallows: an error of ours is logged on purpose in this test")


@pytest.fixture
def fitscribe_apart(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """No setting and no run of others; integrations switched on go off; an error that was swallowed is raised."""
    from fitscribe import config
    from fitscribe.testing.isolation import apart, fresh_delivery, nothing_swallowed

    allowed = request.node.get_closest_marker("swallows") is not None
    with nothing_swallowed(allowed), apart():
        config.configure(dir=str(tmp_path / ".fitscribe"))
        with fresh_delivery():
            yield


@pytest.fixture
def fitscribe_recorder(fitscribe_apart: None) -> Iterator[Recorder]:
    """Everything that runs say; nothing is written or sent."""
    from fitscribe.testing.recorder import Recorder

    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def fitscribe_endpoint(fitscribe_apart: None) -> Iterator[Endpoint]:
    """A fake tracking server on loopback that runs go to; the journal lies in the test's folder."""
    from fitscribe import config, delivery
    from fitscribe.testing.endpoint import Endpoint

    with Endpoint() as endpoint:
        config.configure(tracking_uri=endpoint.uri)
        yield endpoint
        endpoint.troubles.clear()  # what the test left to be delivered is delivered
        delivery.forget()


@pytest.fixture
def fitscribe_store(fitscribe_apart: None) -> Stored:
    """A real store in the test's folder that runs go to, journal and all; it is read in the recorder's words."""
    from fitscribe.testing.stored import Stored

    return Stored()
