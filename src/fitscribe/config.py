"""Settings: arguments win over FITSCRIBE_* over MLFLOW_* variables; the environment is read once."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NewType
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from fitscribe.errors import MisuseError, NotBuiltYet
from fitscribe.guard import warn_once

__all__ = [
    "Settings",
    "afresh",
    "canonical_uri",
    "configure",
    "directory_of",
    "forget",
    "settings",
    "without_credentials",
]


Size = NewType("Size", int)
"""Bytes; in the environment also with a unit."""

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


HOOKS = ("webhook_url", "webhook_secret")  # the address of a receiver may itself be a secret


class Settings(msgspec.Struct, frozen=True):
    """All that can be set from outside. Times are in seconds.

    A name here is FITSCRIBE_<NAME> in the environment, or the MLflow variable that stands in `MLFLOW_NAMES`.
    """

    tracking_uri: str = ""
    dir: str = ""  # the folder that stands for ./.fitscribe
    experiment_name: str = ""
    experiment_id: str = ""
    run_id: str = ""
    tracking_username: str = ""
    tracking_password: str = ""
    tracking_token: str = ""
    insecure_tls: bool = False
    server_cert: str = ""
    client_cert: str = ""  # PEM: certificate and key
    workspace: str = ""  # of a server that has several
    timeout: float = 30.0  # of one request in the background
    read_timeout: float = 10.0  # that a call which needs an answer may wait in all
    exit_timeout: float = 30.0  # at exit, while progress is made
    exit_patience: float = 5.0  # at exit, when the endpoint does not answer
    ranks: str = "zero"  # of processes that train together, which make runs: `zero`, or `all`
    resume: str = ""  # `auto`: a job that its scheduler starts again goes on with its runs
    job_id: str = ""  # what tells such a job from others, where the scheduler's variables do not
    journal_limit: Size = Size(0)  # of journal and snapshots in this folder, such as `500MB`; 0 is none
    thin_metrics: bool = False  # at that limit metrics too may be thinned
    registry_uri: str = ""  # where models are registered, if not where runs go
    webhook_url: str = ""  # told of changes of the embedded registry; several with spaces between
    webhook_secret: str = ""  # that these notices are signed with
    model_limit: Size = Size(500_000_000)  # of a checkpoint that is copied; a larger one stays where it is; 0 is none
    model_key: str = ""  # that signs models, of a team; `@FILE` holds it; behind a comma, others that are believed
    trust_models: str = ""  # `true`: models that run code are loaded unasked; or `sha256:...` of some

    def __repr__(self) -> str:
        """Show what is set, and of a credential only that it is."""
        shown = {name: getattr(self, name) for name in self.__struct_fields__ if getattr(self, name)}
        shown |= dict.fromkeys(shown.keys() & {"tracking_password", "tracking_token", "model_key", *HOOKS}, "***")
        for name in ("tracking_uri", "registry_uri"):
            if name in shown:
                shown[name] = _shown(shown[name])
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


OVER_HTTP = ("http", "https", "events+http", "events+https")

MLFLOW_NAMES = {
    "tracking_uri": "MLFLOW_TRACKING_URI",
    "registry_uri": "MLFLOW_REGISTRY_URI",
    "experiment_name": "MLFLOW_EXPERIMENT_NAME",
    "experiment_id": "MLFLOW_EXPERIMENT_ID",
    "run_id": "MLFLOW_RUN_ID",
    "tracking_username": "MLFLOW_TRACKING_USERNAME",
    "tracking_password": "MLFLOW_TRACKING_PASSWORD",
    "tracking_token": "MLFLOW_TRACKING_TOKEN",
    "insecure_tls": "MLFLOW_TRACKING_INSECURE_TLS",
    "server_cert": "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "client_cert": "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "timeout": "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "workspace": "MLFLOW_WORKSPACE",
}

_given: dict[str, object] = {}
_settings: Settings | None = None


def settings() -> Settings:
    """Return the settings in force; the first call reads the environment.

    `MisuseError`: a variable holds what its setting cannot be, such as a word for a number of seconds.
    """
    global _settings
    if _settings is None:
        _settings = _read(os.environ)
    return _settings


def afresh() -> Settings:
    """Return the settings as the environment has them now; those in force stay as they are.

    `MisuseError`: as in `settings`.
    """
    return _read(os.environ)


def configure(**given: object) -> None:
    """Let arguments win over the environment; None takes an earlier argument back."""
    global _settings
    for name, value in given.items():
        _given.pop(name, None)
        if value is not None:
            _given[name] = value
    _settings = None


def forget(name: str) -> None:
    """Treat a setting as used up, as a run id is by the first run (in this process and in those it starts)."""
    _given.pop(name, None)
    for variable in _variables(name):
        os.environ.pop(variable, None)
    configure()


def _variables(name: str) -> list[str]:
    return [f"FITSCRIBE_{name.upper()}", *([MLFLOW_NAMES[name]] if name in MLFLOW_NAMES else [])]


def _read(environment: Mapping[str, str]) -> Settings:
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(Settings):
        for variable in _variables(field.name):
            if environment.get(variable):
                found[field.name] = _convert(variable, environment[variable], field.type)
                break
    return msgspec.convert({**found, **_given}, Settings)


def _convert(variable: str, text: str, kind: type) -> object:
    if kind is Size:
        return _bytes(variable, text)
    try:
        return msgspec.convert(text.strip(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise MisuseError(f"{variable}={text!r}: {error}") from None


def _bytes(variable: str, text: str) -> int:
    found = SIZE.fullmatch(text.strip())
    if not found:
        raise MisuseError(f"{variable}={text!r} is no size; write bytes, or 500MB, 1.5GB, 2GiB")
    thousand = 1024 if found[3] else 1000
    return int(float(found[1]) * thousand ** " kmgt".index(found[2].lower() or " "))


def directory_of(uri: str) -> Path | None:
    """Return the folder of an embedded store, or None where the URI names a server."""
    return Path(_path_of(uri)) if uri.startswith("file://") else None


def _path_of(uri: str) -> str:
    """Return the path in a file: URI, relative if it is so there; # and ? are letters of it like others."""
    rest = uri.partition(":")[2]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise MisuseError(f"the tracking URI {uri!r} names a host, {host!r}; write file:///folder, or the folder")
        rest = slash + path
    if not rest:
        raise MisuseError(f"the tracking URI {uri!r} names no folder; write file:///folder, or the folder")
    drive = os.name == "nt" and rest.startswith("/")  # file:///C:/folder
    return unquote(rest[1:] if drive else rest)


def canonical_uri(uri: str | os.PathLike[str] = "") -> str:
    """Turn what a user may say into `http(s)://...` without a trailing slash, or `file:///absolute/folder`.

    Empty means `./.fitscribe`, or FITSCRIBE_DIR. A scheme that an installed package has registered for a dialect of
    its own is left as it is. `NotBuiltYet`: a scheme that MLflow knows and this version does not; `MisuseError`: one
    that nobody knows, or an address that is none.
    """
    text = os.fspath(uri).strip()
    if not text:
        return folder().as_uri()
    scheme = text.partition(":")[0].lower() if ":" in text else ""
    if scheme in OVER_HTTP:
        return _checked(text)
    if scheme == "file":
        return _absolute(_path_of(text)).as_uri()
    if text.lower() in ("databricks", "databricks-uc", "uc"):
        scheme = text.lower()
    elif not scheme or len(scheme) == 1 or os.sep in scheme:  # a path; C:\ is no scheme
        return _absolute(text).as_uri()
    elif _registered(scheme):
        return scheme + text[len(scheme) :].rstrip("/")
    if scheme in ("sqlite", "postgresql", "mysql", "mssql", "databricks", "databricks-uc", "arn", "azureml", "uc"):
        raise NotBuiltYet(
            f"tracking URIs with {scheme}: are not supported yet; "
            "use http(s)://host:port of a server, or a folder for an embedded store"
        )
    raise MisuseError(
        f"the tracking URI {_shown(text)!r} has the unknown scheme {scheme!r}; "
        "use http(s)://host:port of a server, or a folder for an embedded store"
    )


def _checked(text: str) -> str:
    """Return an address over HTTP that can be used, and written down when its credentials are left out."""
    if "@" in "".join(re.split(r"[/?#]", text.partition("//")[2], maxsplit=1)[1:]):
        raise MisuseError(
            f"the tracking URI {_shown(text)!r} has an @ behind its first / or ? or #; "
            "in a user name or password write / as %2F, ? as %3F, # as %23 and @ as %40"
        )
    try:
        parts = urlsplit(text)
        host = parts.hostname
        parts.port  # noqa: B018  it looks whether it is a number
    except ValueError:
        host = None
    if not host:
        raise MisuseError(f"the tracking URI {_shown(text)!r} names no host; write http://host:port")
    if parts.query or parts.fragment:
        raise MisuseError(
            f"the tracking URI {_shown(text)!r} goes on with ? or #, which would be written down with the records; "
            "give a token in MLFLOW_TRACKING_TOKEN, or user and password before the host"
        )
    return parts.scheme + text[len(parts.scheme) :].rstrip("/")


def _shown(text: str) -> str:
    """Return an address that may be wrong as an error may show it: without what may be a credential."""
    head, mark, rest = text.partition("//")
    return head + mark + re.split(r"[?#]", rest.rpartition("@")[2])[0]


@functools.cache
def _registered(scheme: str) -> bool:
    """Whether an installed package has a dialect for a scheme; nothing of it is imported."""
    import importlib.metadata

    return bool(importlib.metadata.entry_points(group="fitscribe.dialects", name=scheme))


def folder() -> Path:
    """Return the folder of this working directory's journal and embedded store, absolute; it may not exist yet."""
    return _absolute(settings().dir or ".fitscribe")


def _absolute(path: str) -> Path:
    try:
        return Path(os.path.abspath(Path(path).expanduser()))
    except FileNotFoundError:  # the working directory was deleted under the process, which is no reason to stop
        return _refuge() / path


def _refuge() -> Path:
    import tempfile

    refuge = Path(tempfile.gettempdir()).absolute() / f"fitscribe-{os.getpid()}"
    warn_once("the working directory is not there any more; what would go below it goes to %s", refuge)
    return refuge


def without_credentials(uri: str) -> str:
    """Return the URI without user and password, as it may be written down."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
