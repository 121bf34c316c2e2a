"""The store as a server without a socket: a request in, status and body out."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from fitscribe.errors import FilterError
from fitscribe.store import artifacts, sqlite
from fitscribe.store.artifactpaths import decoded
from fitscribe.store.database import Database
from fitscribe.store.refusal import Refusal, invalid, unserved
from fitscribe.store.registry import notices
from fitscribe.store.routes import ARTIFACTS, PREFIXES, found

__all__ = ["Answer", "Content", "Store"]

Content: TypeAlias = dict[str, Any] | bytes | Path
Answer: TypeAlias = tuple[int, Content]

LASTING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)
"""Of errors of the operating system, those that the same request meets again."""


class Store:
    """The embedded store in a folder, which may be moved, copied and opened elsewhere while nobody uses it.

    Safe to use from several threads and processes, and after a fork.
    """

    def __init__(self, directory: Path, *, local: bool = False, listeners: Sequence[tuple[str, bool]] = ()) -> None:
        """Name the folder; the first request makes and opens it. For the rest see `Database`."""
        self._database = Database(directory, local=local, listeners=listeners)

    def handle(self, method: str, path: str, body: dict[str, Any] | bytes | Path | None = None) -> Answer:
        """Answer a request with status and body: a dict is JSON, a Path a file to send.

        `path` is that of the URL, percent-encoded. For a GET `body` is the query as a dict, for a PUT of an artifact
        its bytes, or a file of the caller's; else it is the JSON body. Trouble with disk or database is an answer as
        well: 503 for what may pass (locked, full), 500 for what may not.
        """
        try:
            return 200, self._answer(method, path, body)
        except Refusal as refusal:
            return refusal.status, refusal.body()
        except FilterError as error:
            return 400, invalid(str(error)).body()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            trouble = _trouble(error)
            return trouble.status, trouble.body()

    @property
    def database(self) -> Database:
        """What lies behind the requests, for whoever sends what they left to send."""
        return self._database

    def notices_left(self) -> int:
        """Return how many notices wait for webhooks, of this process and of earlier ones."""
        return notices.waiting(self._database)

    def close(self) -> None:
        """Close the database; a later request opens it again."""
        self._database.close()

    def _answer(self, method: str, path: str, body: Any) -> Content:
        tail = next((path.removeprefix(prefix) for prefix in PREFIXES if path.startswith(prefix)), "")
        if tail.startswith(f"{ARTIFACTS}/"):
            return self._artifact(method, path, tail.removeprefix(f"{ARTIFACTS}/"), body)
        if method == "GET" and path in ("/health", "/version"):
            return b"OK" if path == "/health" else _version()
        handlers, named = found(tail)
        if handlers is None:
            raise unserved(f"There is no {method} {path} here")
        if method not in handlers:
            raise unserved(f"{path} takes {' and '.join(handlers)}, and no {method}", 405)
        if body is not None and not isinstance(body, dict):
            raise invalid(f"The body of {method} {path} must be a JSON object, and is of type {type(body).__name__}")
        fields = body or {}
        if method == "GET":  # a parsed query may have a list for each field
            fields = {name: value[0] if _single(value) else value for name, value in fields.items()}
        return handlers[method](self._database, {**fields, **named})

    def _artifact(self, method: str, path: str, tail: str, body: Any) -> Content:
        tail = decoded(tail)
        if method == "PUT":
            if not isinstance(body, bytes | Path | None):
                raise invalid(f"The body of PUT {path} must be the bytes of a file")
            return artifacts.put(self._database, tail, body or b"")
        if method == "GET":
            return artifacts.get(self._database, tail)
        if method == "DELETE":
            return artifacts.delete(self._database, tail)
        raise unserved(f"{path} takes PUT, GET and DELETE, and no {method}", 405)


def _single(found: object) -> bool:
    return isinstance(found, list) and len(found) == 1


def _version() -> bytes:
    import fitscribe

    return fitscribe.__version__.encode()


def _trouble(error: Exception) -> Refusal:
    """Return the answer for an error of disk or database, without the statement and its values."""
    if isinstance(error, OSError):
        passing = error.errno not in LASTING
        words = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    else:
        cause = getattr(error, "orig", None) or error
        passing = isinstance(error, OperationalError | sqlite3.OperationalError) and sqlite.passing(cause)
        words = f"the store's database: {cause}"
    if passing:
        return Refusal(503, "TEMPORARILY_UNAVAILABLE", f"{words}; try again")
    return Refusal(500, "INTERNAL_ERROR", words)
