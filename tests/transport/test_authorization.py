import base64
from pathlib import Path

import pytest

from fitscribe.config import configure
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sent(endpoint: Endpoint, uri: str) -> str | None:
    http = Http(uri)
    http.send("GET", "/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "Default"})
    http.close()
    return endpoint.requests[-1].headers.get("Authorization")


@pytest.fixture
def netrc(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login net password rc\n")


def test_nothing_set_sends_nothing(endpoint: Endpoint) -> None:
    assert sent(endpoint, endpoint.uri) is None


def test_the_url_wins_over_the_token_and_the_token_over_user_and_password(endpoint: Endpoint) -> None:
    configure(tracking_username="env", tracking_password="pw")
    assert sent(endpoint, endpoint.uri) == basic("env", "pw")
    configure(tracking_token="t0ken")
    assert sent(endpoint, endpoint.uri) == "Bearer t0ken"
    assert sent(endpoint, endpoint.uri.replace("//", "//url:p%40ss@")) == basic("url", "p@ss")


def test_the_configured_uri_lends_its_credential_to_the_same_endpoint_only(endpoint: Endpoint) -> None:
    configure(tracking_uri=endpoint.uri.replace("//", "//me:mine@"))
    assert sent(endpoint, endpoint.uri) == basic("me", "mine")
    configure(tracking_uri="http://me:mine@elsewhere.example")
    assert sent(endpoint, endpoint.uri) is None


def test_netrc_counts_where_nothing_else_is_set(endpoint: Endpoint, netrc: None) -> None:
    assert sent(endpoint, endpoint.uri) == basic("net", "rc")


def test_netrc_does_not_override_an_explicit_token(endpoint: Endpoint, netrc: None) -> None:
    configure(tracking_token="t0ken")
    assert sent(endpoint, endpoint.uri) == "Bearer t0ken"


def test_a_user_without_a_password_sends_nothing(endpoint: Endpoint) -> None:
    configure(tracking_username="env")
    assert sent(endpoint, endpoint.uri) is None
