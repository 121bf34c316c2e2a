"""What an answer of the protocol means: done, later, never, or not served here at all."""

from __future__ import annotations

import contextlib
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from fitscribe.errors import ServerError, TransportError
from fitscribe.guard import warn_once
from fitscribe.transport import LATER, Answer

__all__ = ["Absent", "Awaited", "Broken", "Poison", "content"]

UNWELCOME = (401, 403)
PATIENCE = 60.0  # seconds between attempts with a credential that was not taken
# of a database, in which two requests met: MLflow's server passes its words on with 400, and the next try goes well
COLLISIONS = ("IntegrityError", "UniqueViolation", "OperationalError", "deadlock")
PAGE = "a web page, as of no tracking server"
FOR_GOOD = "INVALID_STATE"  # what the protocol says with 500 about deleted experiments


class Absent(ServerError):
    """The endpoint does not serve this path."""


class Broken(TransportError):
    """The endpoint broke down on the request (500): it may be the request's fault."""

    alone = True  # other requests need not fail as well


class Awaited(TransportError):
    """What another process is about to create is not there yet, which is no trouble."""

    alone = True
    awaited = True


class Poison(ServerError):
    """The endpoint breaks down on this request again and again, and on nothing else."""


def content(uri: str, path: str, answer: Answer) -> dict[str, Any]:
    """Return the body of a good answer.

    `TransportError`: it may work later. `Absent`: this path is not served. `ServerError`: refused for good.
    """
    code, message = _words(answer)
    if 200 <= answer.status < 300:
        if message == PAGE:
            raise TransportError(f"{uri} answered {path} with {PAGE}; a login page? Check the tracking URI.")
        return answer.body if isinstance(answer.body, dict) else {}
    if answer.status in UNWELCOME:
        warn_once(
            "%s answered %d (%s); check MLFLOW_TRACKING_USERNAME and _PASSWORD, or MLFLOW_TRACKING_TOKEN. "
            "What is recorded stays in the journal until it is let in",
            *(uri, answer.status, message),
        )
        raise TransportError(f"{uri} answered {answer.status} ({message}) on {path}", wait=PATIENCE)
    if answer.status in (405, 501) or (answer.status == 404 and code != "RESOURCE_DOES_NOT_EXIST"):
        raise Absent(answer.status, code, message)
    if answer.status in LATER or (answer.status >= 500 and code != FOR_GOOD):
        kind = Broken if answer.status == 500 else TransportError
        raise kind(f"{uri} answered {answer.status} ({message}) on {path}", wait=_wait(answer))
    if code == "BAD_REQUEST" and any(word in message for word in COLLISIONS):
        raise Broken(f"{uri} answered {answer.status} ({message[:300]}) on {path}")
    raise ServerError(answer.status, code, message)


def _words(answer: Answer) -> tuple[str, str]:
    if isinstance(answer.body, dict):
        code = str(answer.body.get("error_code") or "")
        return code, str(answer.body.get("message") or answer.body.get("detail") or code or "no reason given")
    text = bytes(answer.body).decode("utf-8", "replace").strip() if isinstance(answer.body, bytes) else ""
    return "", PAGE if text[:1] == "<" else text[:300] or "no reason given"


def _wait(answer: Answer) -> float:
    """Return what Retry-After asks for, in seconds or as a date; 0 without it."""
    asked = answer.headers.get("Retry-After", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(asked))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time())
    return 0.0
