"""Who a request says that it comes from: the credential for an endpoint, and headers that go with each request.

A credential is that of the URL, else MLFLOW_TRACKING_TOKEN, else MLFLOW_TRACKING_USERNAME and _PASSWORD (each of them
also from `~/.mlflow/credentials`), else what a package provides (`providers.py`), else the entry of `~/.netrc`. The
plugins that MLFLOW_TRACKING_AUTH and MLFLOW_TRACKING_AWS_SIGV4 stand for need MLflow itself, and are not used.
"""

from __future__ import annotations

import base64
import configparser
import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fitscribe.config import Settings, without_credentials
from fitscribe.errors import TransportError
from fitscribe.guard import warn_once
from fitscribe.transport.providers import carried, provided

__all__ = ["described", "headers_for"]

MENDED = 60.0  # seconds until it is looked whether a setting was mended
ELSEWHERE = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")


def headers_for(uri: str, found: Settings) -> dict[str, str]:
    """Return the headers that requests to an endpoint carry, with the credential if there is one.

    Records keep tracking URIs without credentials; those of the configured URI count for the same endpoint.
    `TransportError`: what is set cannot be sent.
    """
    headers = {"X-MLFLOW-WORKSPACE": found.workspace} if found.workspace else {}
    headers.update(provided(without_credentials(uri)))
    explicit = _explicit(uri, found)[1]
    names = {name.lower(): name for name in headers}
    if explicit:
        headers.pop(names.get("authorization", ""), None)
        headers["Authorization"] = explicit
    elif "authorization" not in names and (known := _of_netrc(uri)):
        headers["Authorization"] = known
    for name, value in headers.items():
        if not carried(value):
            raise TransportError(
                f"{without_credentials(uri)}: the token or header for {name} has a line break or another character "
                "that no request can carry; look at MLFLOW_TRACKING_TOKEN",
                wait=MENDED,
            )
    _warn_of_others()
    return headers


def described(uri: str, found: Settings) -> str:
    """Say what kind of credential requests to an endpoint carry, where it comes from, and which other headers.

    Nothing of its value. `TransportError`: what is set cannot be sent.
    """
    headers = headers_for(uri, found)
    names = {name.lower(): name for name in headers}
    credential = headers.pop(names.get("authorization", ""), "")
    where = _explicit(uri, found)[0] or ("~/.netrc" if credential == _of_netrc(uri) else "an installed package")
    scheme = credential.partition(" ")[0] if " " in credential else "a credential"
    others = f"; also the headers {', '.join(sorted(headers))}" if headers else ""
    return (f"{scheme} from {where}" if credential else "no credentials") + others


def _explicit(uri: str, found: Settings) -> tuple[str, str]:
    """Return where the credential that somebody set stands, and the credential; two empty texts for none."""
    same = _place(found.tracking_uri.rstrip("/")) == _place(uri)
    if credential := _of_url(uri) or (_of_url(found.tracking_uri) if same else ""):
        return "the tracking URI", credential
    if found.tracking_token:
        return "MLFLOW_TRACKING_TOKEN", f"Bearer {found.tracking_token}"
    if credential := _of_user(found):
        own = found.tracking_username and found.tracking_password
        return "MLFLOW_TRACKING_USERNAME and _PASSWORD" if own else "~/.mlflow/credentials", credential
    return "", ""


def _place(uri: str) -> str:
    """Return the address over HTTP, whatever is spoken there."""
    return without_credentials(uri).removeprefix("events+")


def _of_url(uri: str) -> str:
    parts = urlsplit(uri)
    return _basic(unquote(parts.username or ""), unquote(parts.password or ""))


def _of_user(found: Settings) -> str:
    user, password = found.tracking_username, found.tracking_password
    if user and password:
        return _basic(user, password)
    kept = _of_file()
    return _basic(
        user or kept.get("mlflow_tracking_username", ""), password or kept.get("mlflow_tracking_password", "")
    )


def _of_file() -> dict[str, str]:
    """Return what `~/.mlflow/credentials` says, which `mlflow login` writes."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(Path("~/.mlflow/credentials").expanduser(), encoding="utf-8")
        return dict(parser["mlflow"]) if parser.has_section("mlflow") else {}
    except (configparser.Error, OSError, ValueError, RuntimeError):  # no home; and no words of it in a log
        return {}


def _of_netrc(uri: str) -> str:
    from requests.utils import get_netrc_auth

    user, password = get_netrc_auth(uri) or ("", "")
    return _basic(user, password)


def _basic(user: str, password: str) -> str:
    if not user or not password:  # MLflow sends nothing for a user alone, and servers rely on that
        return ""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _warn_of_others() -> None:
    for name in ELSEWHERE:
        if os.environ.get(name, "").lower() not in ("", "0", "false"):
            warn_once(
                "%s is set, which stands for a plugin of MLflow's and is not used here; a package that registers "
                "request headers under the entry points fitscribe.request_headers can do the same",
                name,
            )
