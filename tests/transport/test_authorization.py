import base64
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe.config import configure
from fitscribe.errors import TransportError
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

CREATE = "/api/2.0/mlflow/runs/create"


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


def test_the_file_that_mlflow_login_writes_counts(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = kept\nmlflow_tracking_password = pw%1\n"
    )
    assert sent(endpoint, endpoint.uri) == basic("kept", "pw%1")
    configure(tracking_username="env")
    assert sent(endpoint, endpoint.uri) == basic("env", "pw%1")
    configure(tracking_token="t0ken")
    assert sent(endpoint, endpoint.uri) == "Bearer t0ken"


def test_a_credential_of_an_events_uri_is_that_of_the_configured_one(endpoint: Endpoint) -> None:
    configure(tracking_uri="events+" + endpoint.uri.replace("//", "//me:mine@"))
    assert sent(endpoint, endpoint.uri) == basic("me", "mine")


def test_a_workspace_goes_with_each_request(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team-a")
    configure()
    sent(endpoint, endpoint.uri)
    assert endpoint.requests[-1].headers["X-MLFLOW-WORKSPACE"] == "team-a"


def refuse(endpoint: Endpoint, times: int = 1) -> None:
    endpoint.trouble("answer", status=401, times=times, body=b"who are you?")


def test_a_token_that_expired_is_read_again_from_the_environment(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "old-token")
    configure()
    http = Http(endpoint.uri)
    assert http.send("POST", CREATE, {"experiment_id": "0"}).status == 200
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "new-token")
    refuse(endpoint)
    assert http.send("POST", CREATE, {"experiment_id": "0"}).status == 200
    assert [r.headers["Authorization"] for r in endpoint.requests] == [
        *("Bearer old-token", "Bearer old-token", "Bearer new-token")
    ]
    refuse(endpoint)
    assert http.send("POST", CREATE, {"experiment_id": "0"}).status == 401
    assert len(endpoint.requests) == 4  # the same credential is not tried twice
    http.close()


@pytest.mark.parametrize("token", ["two\nlines", "em—dash", "tab\x07bell"])
def test_a_token_that_no_request_can_carry_is_said_and_not_shown(endpoint: Endpoint, token: str) -> None:
    configure(tracking_token=token)
    with pytest.raises(TransportError, match="MLFLOW_TRACKING_TOKEN") as raised:
        sent(endpoint, endpoint.uri)
    assert token[:3] not in str(raised.value)


def test_a_plugin_of_mlflows_is_named_as_not_used(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "acme")
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "false")
    assert sent(endpoint, endpoint.uri) is None
    (said,) = (each.message for each in caplog.records)
    assert said.startswith("MLFLOW_TRACKING_AUTH is set")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Install a package that gives request headers, of the given source."""
    folder = tmp_path / "site"

    def install(source: str) -> None:
        (folder / "acme-1.0.dist-info").mkdir(parents=True)
        (folder / "acme-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (folder / "acme-1.0.dist-info" / "entry_points.txt").write_text(
            "[fitscribe.request_headers]\nacme = acme_login:request_headers\n"
        )
        (folder / "acme_login.py").write_text(source)

    monkeypatch.syspath_prepend(str(folder))
    yield install
    sys.modules.pop("acme_login", None)


def test_a_package_gives_headers_and_is_asked_again_after_a_401(
    endpoint: Endpoint, package: Callable[[str], None], netrc: None
) -> None:
    package(
        "asked = []\n"
        "def request_headers(uri):\n"
        "    asked.append(uri)\n"
        "    return {'Authorization': f'Bearer short-lived-{len(asked)}', 'X-Team': 'blue'}\n"
    )
    http = Http(endpoint.uri.replace("//", "//@"))
    http.send("POST", CREATE, {"experiment_id": "0"})
    http.send("POST", CREATE, {"experiment_id": "0"})
    refuse(endpoint)
    assert http.send("POST", CREATE, {"experiment_id": "0"}).status == 200
    assert [r.headers["Authorization"][-1] for r in endpoint.requests] == ["1", "1", "1", "2"]
    assert {r.headers["X-Team"] for r in endpoint.requests} == {"blue"}
    assert sys.modules["acme_login"].asked == [endpoint.uri] * 2
    http.close()
    configure(tracking_token="t0ken")
    assert sent(endpoint, endpoint.uri) == "Bearer t0ken"  # what the user set counts


@pytest.mark.swallows
@pytest.mark.parametrize(
    "source",
    [
        "import no_such_module",
        "def request_headers(uri): raise OSError('no ticket')",
        "def request_headers(uri): return ['X-Team']",
        "def request_headers(uri): return {'X-Team': 'hush\\nhush'}",
        "def request_headers(uri): return {'X Team': 'hush'}",
    ],
)
def test_a_package_that_fails_is_logged_once_and_the_request_goes_without_it(
    endpoint: Endpoint, package: Callable[[str], None], source: str, caplog: pytest.LogCaptureFixture
) -> None:
    package(source)
    for _ in range(3):
        assert sent(endpoint, endpoint.uri) is None
    warned = [each for each in caplog.records if each.levelname == "WARNING"]
    assert len(warned) == 1
    assert "asking the package behind 'acme' for request headers" in warned[0].message
    assert "hush" not in caplog.text.replace(source, "")
