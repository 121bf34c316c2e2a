"""What went wrong on the way to an endpoint, in plain words and without credentials."""

from __future__ import annotations

import re
import socket

import requests
import urllib3

from fitscribe.errors import TransportError
from fitscribe.transport import Unsent

__all__ = ["failure", "stale"]

KINDS: list[tuple[type[Exception], type[TransportError], str]] = [
    (requests.ConnectTimeout, Unsent, "no connection came about in time"),
    (requests.ReadTimeout, TransportError, "connected, but no answer within {seconds:g} s"),
    (requests.exceptions.SSLError, Unsent, "TLS failed ({root}); name your own CA in MLFLOW_TRACKING_SERVER_CERT_PATH"),
    (requests.exceptions.ProxyError, Unsent, "the proxy of HTTP_PROXY or HTTPS_PROXY does not work ({root})"),
]


def failure(uri: str, error: Exception, seconds: float) -> TransportError:
    """Return the error to raise for what `requests` raised on a request to `uri` (without credentials)."""
    for kind, make, words in KINDS:
        if isinstance(error, kind):
            return make(f"{uri}: {words.format(root=_root(error), seconds=seconds)}")
    cause = _cause(error)
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return Unsent(f"{uri}: the name of the host is not known (DNS)")
    if isinstance(cause, urllib3.exceptions.NewConnectionError):
        return Unsent(f"{uri}: {_refusal(cause)}")
    return TransportError(f"{uri}: the connection broke ({_root(error)})")


def stale(error: Exception) -> bool:
    """True when the endpoint closed a connection without a word, as with one that was kept alive too long."""
    return isinstance(error, requests.ConnectionError) and isinstance(_cause(error), urllib3.exceptions.ProtocolError)


def _cause(error: BaseException) -> object:
    inner = error.args[0] if error.args else None
    return getattr(inner, "reason", None) or inner


def _refusal(error: BaseException) -> str:
    root = error.__cause__ or error.__context__
    if isinstance(root, ConnectionRefusedError):
        return "connection refused; is the server running?"
    return f"no connection ({root or type(error).__name__})"


def _root(error: BaseException) -> str:
    """Return the words of the innermost error: urllib3 wraps them in addresses of objects and whole URLs."""
    seen: BaseException | None = error
    while seen is not None:
        error, seen = seen, seen.__cause__ or seen.__context__
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, socket.gaierror):
        words = "host not known"
    return re.sub(r"//[^/@\s]*@", "//", words)[:200] or type(error).__name__
