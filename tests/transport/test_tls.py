"""TLS with certificates made for the test: a CA of one's own, client certificates, and what is wrong with either."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from fitscribe.config import configure
from fitscribe.errors import TransportError
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

CREATE = "/api/2.0/mlflow/runs/create"
NAMES = ("server_cert", "client_cert", "insecure_tls")


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def context(ca: trustme.CA) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(made)
    return made


@pytest.fixture
def secure(context: ssl.SSLContext) -> Iterator[Endpoint]:
    with Endpoint(tls=context) as endpoint:
        yield endpoint
    configure(**dict.fromkeys(NAMES))


@pytest.fixture
def bundle(ca: trustme.CA, tmp_path: Path) -> str:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture
def client(ca: trustme.CA, tmp_path: Path) -> str:
    ca.issue_cert("somebody@example.org").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return str(tmp_path / "client.pem")


def created(uri: str) -> int:
    http = Http(uri, timeout=5)
    try:
        return http.send("POST", CREATE, {"experiment_id": "0"}).status
    finally:
        http.close()


def test_a_ca_that_nobody_knows_is_named_as_the_trouble_and_what_to_set(secure: Endpoint) -> None:
    with pytest.raises(TransportError, match=r"TLS failed .*name your own CA in MLFLOW_TRACKING_SERVER_CERT_PATH"):
        created(secure.uri)


def test_a_ca_of_ones_own(secure: Endpoint, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", bundle)
    configure()
    assert created(secure.uri) == 200
    assert created(secure.uri.replace("127.0.0.1", "localhost")) == 200


def test_a_ca_of_the_whole_environment(secure: Endpoint, bundle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    assert created(secure.uri) == 200


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_check_at_all_when_told_so(secure: Endpoint) -> None:
    configure(insecure_tls=True)
    assert created(secure.uri) == 200


def test_no_check_and_a_ca_is_a_contradiction(secure: Endpoint, bundle: str) -> None:
    configure(insecure_tls=True, server_cert=bundle)
    with pytest.raises(TransportError, match="are both set; unset one"):
        created(secure.uri)


def test_a_client_certificate_is_shown(
    secure: Endpoint, context: ssl.SSLContext, ca: trustme.CA, bundle: str, client: str
) -> None:
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    configure(server_cert=bundle)
    with pytest.raises(TransportError):
        created(secure.uri)
    configure(client_cert=client)
    assert created(secure.uri) == 200


@pytest.mark.parametrize(
    ("setting", "content", "words"),
    [
        ("server_cert", None, r"MLFLOW_TRACKING_SERVER_CERT_PATH='.*wrong.pem': there is no such file"),
        ("server_cert", "hello", "SERVER_CERT_PATH=.*does not hold PEM certificates"),
        ("client_cert", None, r"MLFLOW_TRACKING_CLIENT_CERT_PATH='.*wrong.pem': there is no such file"),
        ("client_cert", "hello", "CLIENT_CERT_PATH=.*a PEM certificate together with its key"),
        ("client_cert", "cert", "CLIENT_CERT_PATH=.*a PEM certificate together with its key"),
    ],
)
def test_a_file_that_is_missing_or_wrong_is_named_with_its_variable(
    secure: Endpoint, bundle: str, tmp_path: Path, setting: str, content: str | None, words: str
) -> None:
    wrong = tmp_path / "wrong.pem"
    if content is not None:
        wrong.write_text(Path(bundle).read_text() if content == "cert" else content)
    configure(**{"server_cert": bundle, setting: str(wrong)})
    with pytest.raises(TransportError, match=words) as raised:
        created(secure.uri)
    assert raised.value.wait
    assert secure.requests == []


def test_a_key_with_a_password_does_not_ask_for_it_on_the_terminal(
    secure: Endpoint, ca: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization as forms

    leaf = ca.issue_cert("somebody@example.org")
    key = forms.load_pem_private_key(leaf.private_key_pem.bytes(), None)
    locked = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.BestAvailableEncryption(b"hush"))
    (tmp_path / "locked.pem").write_bytes(locked + leaf.cert_chain_pems[0].bytes())
    configure(server_cert=bundle, client_cert=str(tmp_path / "locked.pem"))
    with pytest.raises(TransportError, match="which must not be encrypted"):
        created(secure.uri)


def test_a_certificate_that_was_mended_counts_without_a_restart(secure: Endpoint, bundle: str, tmp_path: Path) -> None:
    configure(server_cert=str(tmp_path / "late.pem"))
    http = Http(secure.uri, timeout=5)
    with pytest.raises(TransportError, match="no such file"):
        http.send("POST", CREATE, {"experiment_id": "0"})
    (tmp_path / "late.pem").write_text(Path(bundle).read_text())
    assert http.send("POST", CREATE, {"experiment_id": "0"}).status == 200
    http.close()
