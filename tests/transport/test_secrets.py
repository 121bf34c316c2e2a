"""No credential is ever seen: after every kind of failure all files, all logs at DEBUG and all outputs are searched."""

import base64
import logging
import socket
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import trustme
from click.testing import CliRunner

import fitscribe
from fitscribe import delivery
from fitscribe.cli import doctor, main
from fitscribe.config import configure, settings
from fitscribe.testing.endpoint import Endpoint

PASSWORD, TOKEN, PROXY = "pass/wörd?hush", "hush-token-0123456789", "proxy@hush/word"
NAMES = ("tracking_token", "tracking_username", "tracking_password")
TIMES = ("timeout", "exit_patience", "exit_timeout", "read_timeout")


def forms(secret: str, user: str) -> set[str]:
    pair = base64.b64encode(f"{user}:{secret}".encode()).decode()
    return {secret, quote(secret), quote(secret, safe=""), pair, quote(pair, safe="")}


SECRETS = forms(PASSWORD, "me") | forms(TOKEN, "me") | forms(PROXY, "px")


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as served:
        yield served


@pytest.fixture
def seen(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[[str], str]]:
    """Log a run, ask, and let `fitscribe doctor` look, with a credential of each kind; return what is to be seen."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(doctor, "PATIENCE", 0.3)
    configure(timeout=0.4, exit_patience=0.3, exit_timeout=1.5, read_timeout=0.5)

    def use(uri: str) -> str:
        words = [seen_of(uri), caplog.text, *capfd.readouterr()]
        return "\n".join(words) + files(tmp_path)

    yield use
    delivery.forget()
    configure(**dict.fromkeys((*NAMES, *TIMES)), tracking_uri=None)


def seen_of(uri: str) -> str:
    said = []
    try:
        fitscribe.set_tracking_uri(uri)
        with fitscribe.start_run(run_name="one"):
            fitscribe.log_param("lr", 0.1)
            fitscribe.set_tag("a", "b")
        fitscribe.flush(1)
        said.append(str(fitscribe.delivery_status()))
        fitscribe.search_runs()
    except Exception as error:  # noqa: BLE001  whatever it is, it is looked at
        said += traceback.format_exception(error)
    delivery.forget()
    said.append(CliRunner().invoke(main, ["doctor"]).output)
    return "\n".join(said)


def files(folder: Path) -> str:
    return "".join(each.read_bytes().decode("utf-8", "replace") for each in folder.rglob("*") if each.is_file())


def with_user(uri: str) -> str:
    return uri.replace("//", f"//me:{quote(PASSWORD, safe='')}@")


def nothing_of_a_secret_in(text: str) -> None:
    flat = "".join(text.split())  # tables break lines
    assert len(flat) > 300
    assert [secret for secret in SECRETS if secret in text or secret in flat] == []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ECHO = "ECHO"


@pytest.mark.parametrize("how", ["url", "token", "user"])
@pytest.mark.parametrize(
    "trouble",
    [
        {"kind": "answer", "status": 401, "body": ECHO.encode()},
        {"kind": "answer", "status": 403, "body": {"error_code": "DENIED", "message": ECHO}},
        {"kind": "answer", "status": 400, "body": {"error_code": "BAD", "message": ECHO}},
        {"kind": "answer", "status": 302, "headers": {"Location": f"http://me:{ECHO}@else.example/?t={ECHO}"}},
        {"kind": "hang"},
        {"kind": "drop"},
    ],
    ids=["401", "403", "400", "redirect", "hang", "drop"],
)
def test_an_endpoint_that_fails_and_repeats_what_it_was_sent(
    endpoint: Endpoint, seen: Callable[[str], str], trouble: dict, how: str
) -> None:
    echo = quote(TOKEN if how == "token" else PASSWORD, safe="")
    body = trouble.get("body")
    changed = body.replace(b"ECHO", echo.encode()) if isinstance(body, bytes) else body and {**body, "message": echo}
    headers = {name: value.replace(ECHO, echo) for name, value in trouble.get("headers", {}).items()}
    endpoint.trouble(**{**trouble, "body": changed or {}, "headers": headers}, times=10_000)
    if how == "token":
        configure(tracking_token=TOKEN)
    elif how == "user":
        configure(tracking_username="me", tracking_password=PASSWORD)
    nothing_of_a_secret_in(seen(with_user(endpoint.uri) if how == "url" else endpoint.uri))
    (sent,) = {r.headers.get("Authorization", "") for r in endpoint.requests}
    assert [secret for secret in SECRETS if secret in sent]


def test_nobody_listens(seen: Callable[[str], str]) -> None:
    configure(tracking_token=TOKEN)
    nothing_of_a_secret_in(seen(with_user(f"http://127.0.0.1:{free_port()}")))


def test_no_such_host(seen: Callable[[str], str]) -> None:
    nothing_of_a_secret_in(seen(with_user("http://nobody.invalid")))


def test_tls_fails(seen: Callable[[str], str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with Endpoint(tls=context) as secure:
        nothing_of_a_secret_in(seen(with_user(secure.uri)))


@pytest.mark.parametrize("proxy", ["http://{}@127.0.0.1:1", "http://{}@", "http://{}@host:port", "socks9://{}@h:1"])
def test_the_proxy_fails(seen: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.format(f"px:{quote(PROXY, safe='')}"))
    nothing_of_a_secret_in(seen(with_user("http://tracking.example")))


def test_a_proxy_whose_password_is_not_quoted(seen: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", f"http://px:{PROXY}@127.0.0.1:1")
    nothing_of_a_secret_in(seen(with_user("http://tracking.example")))


@pytest.mark.parametrize(
    "uri",
    [
        f"http://me:{PASSWORD}@host",
        f"http://me:{quote(PASSWORD)}@",
        f"http://me:{quote(PASSWORD, safe='')}@host:port",
        f"http://host?token={TOKEN}",
        f"events+http://host/#{TOKEN}",
        f"gopher://me:{PASSWORD}@host",
    ],
)
def test_an_address_that_is_none(seen: Callable[[str], str], uri: str) -> None:
    nothing_of_a_secret_in(seen(uri))


def test_a_refused_event(seen: Callable[[str], str]) -> None:
    from fitscribe.testing.receiver import Receiver

    with Endpoint(ledger=Receiver(refuses='"type"')) as endpoint:
        nothing_of_a_secret_in(seen(with_user("events+" + endpoint.uri)))


def test_settings_do_not_show_them() -> None:
    configure(tracking_token=TOKEN, tracking_password=PASSWORD, tracking_uri=with_user("http://host"))
    shown = repr(settings())
    configure(**dict.fromkeys(NAMES), tracking_uri=None)
    assert not [secret for secret in SECRETS if secret in shown]
    assert (
        shown
        == "Settings(tracking_uri='http://host', tracking_password='***', tracking_token='***', "
        + shown[shown.index("timeout") :]
    )
