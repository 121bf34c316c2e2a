"""A FitscribeLogger of the user's, where autologging is on as well: both write to one run, each value once."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from fitscribe import guarded

__all__ = ["held", "join", "opened", "ours"]


def ours(trainer: Any) -> list[Any]:
    """Return the loggers of ours that the user gave to a trainer or Fabric."""
    return [each for each in trainer.loggers if type(each).__name__ == "FitscribeLogger"]


@contextmanager
def held(trainer: Any) -> Generator[None, None, None]:
    """Let the loggers' run, where the user told them of one, be the current one, and end after all is recorded."""
    found = []
    with guarded("asking for the logger's run"):
        if trainer.is_global_zero:
            found = ours(trainer)
            for each in found:
                each.hold()
                if each.told:
                    each.opened()
    status = "FINISHED"
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        raise
    finally:
        for each in found:
            with guarded("ending the logger's run"):
                each.let_go(status)


@guarded("opening the logger's run")
def opened(trainer: Any) -> None:
    """Let the loggers know the run now: they are about to be sent to a process that trains for this one."""
    for each in ours(trainer):
        each.opened()


@guarded("telling the logger of the model's run")
def join(trainer: Any, run: Any) -> None:
    """Let the loggers write to the run of a model that was trained before; one that was told of a run keeps it."""
    for each in ours(trainer) if trainer.is_global_zero else ():
        each.join(run)
