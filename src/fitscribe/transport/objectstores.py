"""Object stores by fsspec: s3:, gs:, abfss: and what else it knows, with the credentials of the user's environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fitscribe.errors import FitscribeError, NotFoundError, ServerError, TransportError
from fitscribe.guard import warn_once
from fitscribe.undivided import undivided

__all__ = ["Entry", "ObjectStore", "showable"]

EXTRAS = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
    **dict.fromkeys(("abfs", "abfss", "az", "wasb", "wasbs"), "azure"),
}
NAMES = {"wasb": "abfs", "wasbs": "abfss"}  # Azure's old names, which fsspec does not know
BLOCK = 16 << 20  # bytes of a part, of which a few are in memory at a time
HANDS = 3  # parts at a time
PARTS = 9000  # at most, of a file; S3 takes 10,000
MENDED = 60.0  # seconds until we look whether what was missing is there
ERRORS = {  # by the modules that have them, if those are there at all
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "gcsfs.retry": ("HttpError",),
    "azure.core.exceptions": ("AzureError",),
    "aiohttp": ("ClientError",),
    "fsspec.exceptions": ("FSTimeoutError",),
}
CREDENTIALS = ("NoCredentials", "DefaultCredentials", "ClientAuthentication", "TokenRetrieval", "Refresh", "Credential")


class Entry(NamedTuple):
    """A file or folder of a store: its name without folders, and its size in bytes (None of a folder)."""

    name: str
    is_dir: bool
    size: int | None


class ObjectStore:
    """A folder of a store, by its URI. Nothing is imported and no connection opened before the first call.

    Every method raises `TransportError` for what may pass or can be mended, and `ServerError` for what the store
    refuses; `moving` is called whenever bytes have moved.
    """

    def __init__(self, root: str, moving: Callable[[], None] = lambda: None) -> None:
        """`root` is the URI of the folder, as the endpoint names it."""
        self.root, self._moving = root.rstrip("/"), moving
        self.scheme = urlsplit(root).scheme

    def put(self, file: Path, path: str) -> None:
        """Upload a file in parts, and see that it has its size there; say once what the user must mend first."""
        try:
            self._put(file, path)
        except TransportError as error:
            if error.wait:
                warn_once("%s. Your artifacts wait in the journal until then", error)
            raise

    def _put(self, file: Path, path: str) -> None:
        size = file.stat().st_size
        self._call(f"writing {path} to", lambda fs, at: fs.put_file(str(file), at, **self._how(size)), path)
        there = self._call(f"looking at {path} in", lambda fs, at: fs.info(at).get("size"), path)
        if there is not None and int(there) != size:
            raise TransportError(f"{showable(self.root)} has {there} of {size} bytes of {path} after its upload")

    def get(self, path: str, file: Path) -> None:
        """Download a file. `NotFoundError`: it is not there."""
        how = {**self._how(0), "callback": self._callback()}
        self._call(f"reading {path} from", lambda fs, at: fs.get_file(at, str(file), **how), path)

    def files(self, path: str) -> list[Entry]:
        """Return what lies directly below a path; empty when it is a file or is not there."""

        def listed(fs: Any, at: str) -> list[Entry]:
            found = [(str(one["name"]).rstrip("/"), one) for one in fs.ls(at, detail=True)]
            inside = [(name, one) for name, one in found if name != fs._strip_protocol(at).rstrip("/")]
            return [Entry(name.rpartition("/")[2], one["type"] == "directory", _size(one)) for name, one in inside]

        try:
            return self._call(f"listing {path} of", listed, path)  # type: ignore[no-any-return]
        except NotFoundError:
            return []

    def _how(self, size: int) -> dict[str, Any]:
        """Return how a file goes, so that memory stays the same whatever its size."""
        how: dict[str, Any] = {"callback": self._callback()} if size else {}
        if EXTRAS.get(self.scheme) == "s3":
            return {**how, "chunksize": max(BLOCK, size // PARTS), "max_concurrency": HANDS}
        return how

    def _callback(self) -> Any:
        with undivided:
            from fsspec.callbacks import Callback

        return Callback(hooks={"moving": lambda *_, **__: self._moving()})

    def _call(self, what: str, work: Callable[[Any, str], Any], path: str) -> Any:
        with undivided:
            opened = self._opened()
        self._moving()
        at = "/".join(part for part in (_named(self.root), path) if part)
        try:
            return work(opened, at)
        except _errors() as error:
            raise self._trouble(what, error) from None
        finally:
            self._moving()

    def _opened(self) -> Any:
        try:
            import fsspec

            return fsspec.filesystem(urlsplit(_named(self.root)).scheme, **self._options(fsspec))
        except (ImportError, ValueError) as error:
            extra = EXTRAS.get(self.scheme)
            advice = f'pip install "fitscribe[{extra}]"' if extra else f"fsspec says: {error}"
            words = f"the run's artifacts are in {self.scheme}:, which this Python cannot reach; {advice}"
            raise TransportError(words, wait=MENDED) from None
        except _errors() as error:
            raise self._trouble("opening", error) from None

    def _options(self, fsspec: Any) -> dict[str, Any]:
        """Return what the URI and the variables say that MLflow's users set for their stores."""
        kind = EXTRAS.get(self.scheme, "")
        if kind == "s3":
            return _s3(os.environ)
        of_uri = fsspec.get_filesystem_class(urlsplit(_named(self.root)).scheme)._get_kwargs_from_urls(
            _named(self.root)
        )
        return {**of_uri, **(_azure(os.environ) if kind == "azure" else {})}

    def _trouble(self, what: str, error: Exception) -> FitscribeError:
        words = f"{what} {showable(self.root)}: {type(error).__name__} {error}"[:500]
        if isinstance(error, FileNotFoundError) and what.split(maxsplit=1)[0] in ("reading", "listing"):
            return NotFoundError(words)
        if isinstance(error, PermissionError) or any(part in type(error).__name__ for part in CREDENTIALS):
            return TransportError(f"{words}. Check the credentials of this store in your environment", wait=MENDED)
        if isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError)):
            return ServerError(404, "", f"{words}; is there such a bucket?")
        return TransportError(words)


def showable(uri: str) -> str:
    """Return a URI without user, password and query, which may sign a request; a container stays."""
    parts = urlsplit(uri)
    user = parts.username if EXTRAS.get(parts.scheme) == "azure" and not parts.password else ""
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{user}@{host}" if user else host, query="", fragment="").geturl()


def _named(root: str) -> str:
    scheme = urlsplit(root).scheme
    return NAMES.get(scheme, scheme) + root[len(scheme) :]


def _size(one: dict[str, Any]) -> int | None:
    return None if one["type"] == "directory" or one.get("size") is None else int(one["size"])


def _s3(environment: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"use_listings_cache": False}
    if environment.get("MLFLOW_S3_ENDPOINT_URL"):
        options["endpoint_url"] = environment["MLFLOW_S3_ENDPOINT_URL"]
    if environment.get("MLFLOW_S3_IGNORE_TLS", "").lower() in ("1", "true"):
        options["client_kwargs"] = {"verify": False}
    if environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"):
        options["config_kwargs"] = {"s3": {"addressing_style": environment["MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE"]}}
    if environment.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS"):
        options["s3_additional_kwargs"] = json.loads(environment["MLFLOW_S3_UPLOAD_EXTRA_ARGS"])
    return options


def _azure(environment: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"use_listings_cache": False}
    if environment.get("AZURE_STORAGE_CONNECTION_STRING"):
        options["connection_string"] = environment["AZURE_STORAGE_CONNECTION_STRING"]
    elif environment.get("AZURE_STORAGE_ACCESS_KEY"):
        options["account_key"] = environment["AZURE_STORAGE_ACCESS_KEY"]
    else:
        options["anon"] = False  # the credentials of the machine, as Azure's own library finds them
    return options


def _errors() -> tuple[type[Exception], ...]:
    """Return what stores raise, as far as their libraries are imported."""
    known = [(sys.modules[module], names) for module, names in ERRORS.items() if module in sys.modules]
    return (OSError, ValueError, RuntimeError, *(getattr(module, n) for module, names in known for n in names))
