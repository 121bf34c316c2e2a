"""A `requests` session for one endpoint: its environment read once, its TLS settings looked at before they are used."""

from __future__ import annotations

import importlib
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies

from fitscribe.config import settings
from fitscribe.errors import TransportError
from fitscribe.transport.connections import Adapter

__all__ = ["new_session"]

LATE = ("encodings.idna", "netrc")  # which are imported in the middle of a call, where a fork could cut them in two
MENDED = 60.0  # seconds until it is looked whether a setting was mended


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none: `Http` follows by itself, and `requests` would read the whole page that redirects."""


def new_session(uri: str, agent: str) -> requests.Session:
    """Return a session with TLS settings and proxies for `uri`.

    `trust_env` is off: it would let a netrc entry win over an explicit credential, and look up proxies anew
    for every request. What it is good for is read here, once. `TransportError`: a setting for TLS is wrong.
    """
    for name in LATE:
        importlib.import_module(name)
    session = _Session()
    session.trust_env = False
    session.headers["User-Agent"] = agent
    session.headers["Accept-Encoding"] = "gzip, deflate"
    session.proxies.update(_proxies(uri))
    session.mount("http://", Adapter())
    session.mount("https://", Adapter())
    if uri.startswith("https:"):
        _tls(session)
    return session


def _proxies(uri: str) -> dict[str, str]:
    found = dict(get_environ_proxies(uri))
    for scheme, proxy in found.items():
        try:
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            sound = bool(parts.hostname) and parts.port != 0 and "@" not in parts.path + parts.query + parts.fragment
        except ValueError:
            sound = False
        if not sound and scheme != "no":
            raise TransportError(
                f"the variable {scheme}_proxy (or {scheme.upper()}_PROXY) holds no address of a proxy; write "
                "http://host:port, or http://user:password@host:port with / in a password as %2F and @ as %40",
                wait=MENDED,
            )
    return found


def _tls(session: requests.Session) -> None:
    found = settings()
    if found.insecure_tls and found.server_cert:
        raise TransportError(
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set; unset one", wait=MENDED
        )
    session.verify = not found.insecure_tls and (_bundle(found.server_cert) or True)
    if found.client_cert:
        _look("MLFLOW_TRACKING_CLIENT_CERT_PATH", found.client_cert)
        session.cert = found.client_cert


def _bundle(server_cert: str) -> str:
    """Return the file or folder of certificates to trust, or "" for those that come with `requests`."""
    given = {"MLFLOW_TRACKING_SERVER_CERT_PATH": server_cert}
    given |= {name: os.environ.get(name, "") for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    for name, path in given.items():
        if path:
            _look(name, path)
            return path
    return ""


def _look(name: str, path: str) -> None:
    """See that a file is what OpenSSL will want; it would ask for the password of a key on the terminal."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if not Path(path).exists():
            raise TransportError(f"{name}={path!r}: there is no such file", wait=MENDED)
        if name == "MLFLOW_TRACKING_CLIENT_CERT_PATH":
            context.load_cert_chain(path, password=lambda: "")
        elif Path(path).is_file():
            context.load_verify_locations(path)
    except (ssl.SSLError, ValueError):
        wanted = "PEM certificates"
        if name == "MLFLOW_TRACKING_CLIENT_CERT_PATH":
            wanted = "a PEM certificate together with its key, which must not be encrypted"
        raise TransportError(f"{name}={path!r}: the file does not hold {wanted}", wait=MENDED) from None
    except OSError as error:
        raise TransportError(f"{name}={path!r}: {error.strerror or error}", wait=MENDED) from None
