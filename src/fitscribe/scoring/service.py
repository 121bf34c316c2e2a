"""A model served: a socket, one process or several, and an end that waits for who is being answered."""

from __future__ import annotations

import copy
import functools
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fitscribe.errors import FitscribeError, MisuseError, Unavailable
from fitscribe.scoring import LIMIT, SECONDS

if TYPE_CHECKING:
    from starlette.applications import Starlette

__all__ = ["Service", "serve"]

BROKEN = 3  # the exit status by which uvicorn knows that another start would not help


class Service(msgspec.Struct, frozen=True):
    """What is served and how; it goes to every process that serves. Times in seconds, sizes in bytes."""

    folder: str
    version: str
    trust: bool | str | None = None
    limit: int = LIMIT
    seconds: float = SECONDS
    threads: int | None = None


def serve(
    service: Service, host: str, port: int, *, workers: int = 1, started: Callable[[str], None] = lambda uri: None
) -> None:
    """Answer requests until a signal ends it; `started` is told the address, and port 0 means any that is free.

    At the end, requests that are being answered have `service.seconds` to finish. `MisuseError`: the address is taken,
    or is none of this machine's; `UntrustedModel` and others: the model cannot be loaded.
    """
    uvicorn = _uvicorn()
    with _listening(host, port) as listening:
        uri = f"http://{_shown(host)}:{listening.getsockname()[1]}"
        several = workers > 1
        if several:
            _check(service)  # so that one of them says it, and not each
        app: Any = functools.partial(_of_worker, service) if several else _loaded(service)
        config = uvicorn.Config(
            app,
            factory=several,
            workers=workers,
            log_config=_logging(uvicorn.config.LOGGING_CONFIG),
            timeout_graceful_shutdown=max(1, int(service.seconds)),
            # a worker may say nothing while a prediction holds the interpreter's lock
            timeout_worker_healthcheck=max(60, int(service.seconds)),
            server_header=False,
        )
        started(uri)
        if several:
            _several(uvicorn, config, listening)
        else:
            _until_interrupted(functools.partial(uvicorn.Server(config).run, sockets=[listening]))


def _several(uvicorn: Any, config: Any, listening: socket.socket) -> None:
    import inspect

    from uvicorn.supervisors import Multiprocess

    older = {"target": uvicorn.Server(config).run} if "target" in inspect.signature(Multiprocess).parameters else {}
    processes = Multiprocess(config, sockets=[listening], **older)
    processes.run()
    if any(each.process.exitcode == BROKEN for each in processes.processes):
        raise MisuseError("the model could not be loaded; why is said above")


def _until_interrupted(run: Callable[[], None]) -> None:
    try:
        run()
    except KeyboardInterrupt:  # it has stopped; uvicorn raises the signal again when all is done
        return


def _of_worker(service: Service) -> Starlette:
    """Load the model in a process of its own; a failure is one line, and the end of all of them."""
    try:
        return _loaded(service)
    except FitscribeError as error:
        print(f"Error: {error}", file=sys.stderr, flush=True)
        sys.exit(BROKEN)


def _check(service: Service) -> None:
    """Refuse a model that may not run code, before any process is started."""
    from fitscribe.models import trust
    from fitscribe.models.format import read_mlmodel
    from fitscribe.models.runnable import code_of

    folder = Path(service.folder)
    content = read_mlmodel(folder)
    trust.check(folder, content, code_of(folder, content), service.trust)


def _loaded(service: Service) -> Starlette:
    from fitscribe.scoring.app import application
    from fitscribe.scoring.predicting import loaded

    model = loaded(service.folder, service.trust)
    return application(model, service.version, limit=service.limit, seconds=service.seconds, threads=service.threads)


def _uvicorn() -> Any:
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise Unavailable(f'serving needs starlette and uvicorn: pip install "fitscribe[serve]" ({error})') from None
    return uvicorn


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
        if os.name == "posix":  # where it lets a server start again at once; on Windows it would let two share a port
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(2048)
    except (OSError, OverflowError) as error:
        raise MisuseError(
            f"cannot listen on {host}:{port}: {error}; --host and --port choose another address"
        ) from None
    found.set_inheritable(True)
    return found


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _logging(config: dict[str, Any]) -> dict[str, Any]:
    """Return uvicorn's logging with our logger in it, where a model's errors are told."""
    config = copy.deepcopy(config)
    config["loggers"]["fitscribe"] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config
