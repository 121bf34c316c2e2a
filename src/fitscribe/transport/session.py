"""A `requests` session for one endpoint: its environment read once, its sockets set for short answers."""

from __future__ import annotations

import importlib
import os
import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, get_netrc_auth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from fitscribe.config import settings
from fitscribe.errors import TransportError

__all__ = ["new_session"]

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)  # Linux alone has it
BLOCK = 256 * 1024  # bytes of a file per write to the socket
THREADS = 10
LATE = ("encodings.idna", "netrc")  # which are imported in the middle of a call, where a fork could cut them in two


def new_session(uri: str, authorization: str, agent: str) -> requests.Session:
    """Return a session with the credential, TLS settings and proxies for `uri`.

    `trust_env` is off: it would let a netrc entry win over an explicit credential, and look up proxies anew
    for every request. What it is good for is read here, once.
    """
    for name in LATE:
        importlib.import_module(name)
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = agent
    session.headers["Accept-Encoding"] = "gzip, deflate"
    session.proxies.update(get_environ_proxies(uri))
    session.mount("http://", _Adapter())
    session.mount("https://", _Adapter())
    _tls(session)
    if authorization:
        session.headers["Authorization"] = authorization
    else:
        session.auth = get_netrc_auth(uri)
    return session


def _tls(session: requests.Session) -> None:
    found = settings()
    if found.insecure_tls and found.server_cert:
        raise TransportError(
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set; unset one", wait=60
        )
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    session.verify = not found.insecure_tls and (found.server_cert or bundle or True)
    session.cert = found.client_cert or None


class _Adapter(HTTPAdapter):
    def __init__(self) -> None:
        super().__init__(pool_connections=2, pool_maxsize=THREADS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, blocksize=BLOCK, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}


class _Prompt:
    """Acknowledge at once what the server sends.

    A server whose sockets lack TCP_NODELAY (uvicorn with several workers) writes headers and body apart, and
    holds the body back until the headers are acknowledged: 40 ms per request with Linux's delayed ACK. The
    option does not last, so it is set before each answer is read.
    """

    sock: Any

    def getresponse(self) -> Any:
        if QUICKACK is not None and self.sock is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        return super().getresponse()  # type: ignore[misc]


class _Connection(_Prompt, HTTPConnection):
    pass


class _TlsConnection(_Prompt, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
