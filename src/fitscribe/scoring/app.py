"""The web application over one model: the four addresses of MLflow's scoring server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from fitscribe.scoring import LIMIT, SECONDS, questions, replies
from fitscribe.scoring.crew import Crew
from fitscribe.scoring.predicting import Model, predicted
from fitscribe.scoring.refusals import INTERNAL_ERROR, TOO_LARGE, TOO_LATE, Refusal

__all__ = ["application"]

LONGEST = 2000  # characters of an error that a client is told
JSON = "application/json"
NOBODY = 499  # what is noted of a request whose client went away
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def application(
    model: Model,
    version: str,
    *,
    limit: int = LIMIT,
    seconds: float = SECONDS,
    threads: int | None = None,
) -> Starlette:
    """Return the application: `limit` in bytes of a body, `seconds` for a request, `threads` that predict at a time."""
    crew = Crew(threads)

    async def invocations(request: Request) -> Response:
        media = questions.form_of(request.headers.get("content-type"))
        body = await _body(request, limit)
        return Response(await crew.run(lambda: predicted(model, body, media)), media_type=JSON)

    async def ping(request: Request) -> Response:
        return Response("\n", media_type=JSON)

    async def about(request: Request) -> Response:
        return Response(version, media_type=JSON)

    routes = [
        Route("/invocations", _answering(invocations, seconds), methods=["POST"]),
        Route("/ping", ping),
        Route("/health", ping),
        Route("/version", about),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_such_route, Exception: _fault})


async def _body(request: Request, limit: int) -> bytes:
    too_large = Refusal(f"the body is larger than {limit:,} bytes; send it in parts (--limit changes that)", TOO_LARGE)
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > limit:
            raise too_large
    return bytes(parts)


def _answering(endpoint: Endpoint, seconds: float) -> Endpoint:
    """Return an endpoint whose errors become answers, and which takes no longer than it may."""

    async def answering(request: Request) -> Response:
        try:
            async with asyncio.timeout(seconds):
                return await endpoint(request)
        except Refusal as refusal:
            return _refused(refusal)
        except TimeoutError:
            return _refused(Refusal(f"no answer within {seconds:g} seconds (--timeout changes that)", TOO_LATE))
        except ClientDisconnect:
            return Response(status_code=NOBODY)

    return answering


def _refused(refusal: Refusal) -> Response:
    message = str(refusal)
    if len(message) > LONGEST:
        message = message[:LONGEST] + "…"
    closing = {"connection": "close"} if refusal.status == TOO_LARGE[0] else None  # the rest of the body is not read
    return Response(replies.error(refusal.code, message), refusal.status, closing, JSON)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Response(f'{{"detail":"{error.detail}"}}', error.status_code, error.headers, JSON)


async def _fault(request: Request, error: Exception) -> Response:
    """Say that it was us; the log has the rest."""
    return Response(replies.error(INTERNAL_ERROR[1], "an error of the server; its log says more"), 500, media_type=JSON)
