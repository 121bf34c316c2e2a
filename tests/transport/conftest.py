from collections.abc import Iterator
from typing import Any

import pytest

from fitscribe.config import configure
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

VARIABLES = ("USERNAME", "PASSWORD", "TOKEN", "URI", "INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[None]:
    for name in VARIABLES:
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    configure()
    yield
    monkeypatch.undo()
    configure(timeout=None, tracking_uri=None, tracking_username=None, tracking_password=None, tracking_token=None)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as served:
        yield served


@pytest.fixture
def http(endpoint: Endpoint) -> Iterator[Http]:
    opened = Http(endpoint.uri)
    yield opened
    opened.close()
