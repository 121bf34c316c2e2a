"""What went wrong on the way to an endpoint, in plain words and without credentials."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import requests
import urllib3

from fitscribe.errors import FitscribeError, TransportError
from fitscribe.transport import Unsent
from fitscribe.transport.connections import Unasked
from fitscribe.transport.discretion import without_users

__all__ = ["failure", "stale", "unasked"]

KINDS: list[tuple[type[Exception], type[TransportError], str]] = [
    (requests.ConnectTimeout, Unsent, "no connection came about in time"),
    (requests.ReadTimeout, TransportError, "connected, but no answer within {seconds:g} s"),
    (requests.exceptions.SSLError, Unsent, "TLS failed ({root}); name your own CA in MLFLOW_TRACKING_SERVER_CERT_PATH"),
    (requests.exceptions.ProxyError, Unsent, "the proxy of HTTP_PROXY or HTTPS_PROXY does not work ({root})"),
    (requests.exceptions.InvalidProxyURL, Unsent, "HTTP_PROXY or HTTPS_PROXY holds no address of a proxy"),
]


def failure(uri: str, error: Exception, seconds: float, hidden: Callable[[str], str] = without_users) -> TransportError:
    """Return the error to raise for what was raised on a request to `uri` (without credentials).

    `hidden` takes credentials out of words.
    """
    for kind, make, words in KINDS:
        if isinstance(error, kind):
            return make(f"{uri}: {words.format(root=hidden(_root(error))[:200], seconds=seconds)}")
    cause = _cause(error)
    if isinstance(cause, urllib3.exceptions.NameResolutionError):
        return Unsent(f"{uri}: the name of the host is not known (DNS)")
    if isinstance(cause, urllib3.exceptions.NewConnectionError):
        return Unsent(f"{uri}: {hidden(_refusal(cause))}")
    if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
        return TransportError(f"{uri}: the answer began, but was not whole within {seconds:g} s")
    return TransportError(f"{uri}: the connection broke ({hidden(_root(error))[:200]})")


def stale(error: Exception) -> bool:
    """True when the endpoint closed a connection without a word, as with one that was kept alive too long."""
    return isinstance(error, requests.ConnectionError) and isinstance(_cause(error), urllib3.exceptions.ProtocolError)


def unasked(error: Exception) -> bool:
    """True when a connection was given up before all of the request was sent on it: it can be sent again."""
    return any(isinstance(each, Unasked) for each in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None and not isinstance(error, FitscribeError):  # which was handled when this was asked
        yield error
        error = error.__cause__ or error.__context__


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
    error = list(_chain(error))[-1]
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    if isinstance(error, socket.gaierror):
        words = "host not known"
    return words or type(error).__name__
