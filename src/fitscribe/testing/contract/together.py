"""Checks of several trainings at once, and of a process that forks."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

from fitscribe.guard import outcome
from fitscribe.testing.contract.scene import NotTried, Scene, promise, told

__all__ = ["CHECKS"]

THREADS = 3
HANGS = 5.0  # seconds and more after which a forked child without us is believed to hang
END = b"\0"


def threads(scene: Scene) -> None:
    """Trainings in several threads at once are recorded apart, each as it is alone.

    Their results are not compared: they share the generators of random numbers.
    """
    plain = _at_once(scene)
    failed = [each for each in plain if isinstance(each, Exception)]
    if failed:
        raise NotTried(f"in several threads at once the training itself raises {failed[0]!r}")
    with scene.on() as heard:
        for result in _at_once(scene):
            promise(not isinstance(result, Exception), f"in {THREADS} threads at once one raised {result!r}")
        found = heard.facts()
    wrong = told(found, scene.alone * THREADS)
    promise(not wrong, f"of {THREADS} trainings at once {wrong}")


def _at_once(scene: Scene) -> list[Any]:
    """Train in several threads; return the results, or what they raised."""
    results: list[Any] = []
    begin = threading.Barrier(THREADS)

    def train() -> None:
        begin.wait(scene.seconds)
        results.append(outcome(scene.train))

    together = [threading.Thread(target=train, daemon=True) for _ in range(THREADS)]
    for each in together:
        each.start()
    for each in together:
        each.join(scene.seconds)
        promise(not each.is_alive(), f"of {THREADS} trainings at once one did not end in {scene.seconds:.0f} s")
    return results


def fork(scene: Scene) -> None:
    """In a forked child a training is recorded as in its parent, and gives the same result."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        raise NotTried("this system does not fork")
    if _forked(lambda: scene.unlike(scene.train()), min(scene.seconds, HANGS + 20 * scene.takes)) is None:
        raise NotTried("in a forked child the training itself does not end")

    def in_child() -> str:
        result = outcome(scene.train)
        if isinstance(result, Exception):
            return f"it raised {result!r}"
        found = scene.unlike(result) or told(heard.facts(), scene.alone)
        return "\n".join([found, *heard.swallowed()[:1]]) if found else ""

    with scene.on() as heard:
        found = _forked(in_child, scene.seconds)
    promise(
        found is not None, f"a training in a forked child did not end in {scene.seconds:.0f} s, and does without us"
    )
    promise(not found, f"in a forked child {found}")


def _forked(work: Callable[[], str], seconds: float) -> str | None:
    """Return what `work` says in a forked child; None when it is not through in time, and is killed."""
    reads, writes = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fork beside threads, which is what is tried here
        child = os.fork()
    if not child:
        try:
            os.close(reads)
            words = outcome(work)
            os.write(writes, (words if isinstance(words, str) else repr(words)).encode()[:4000] + END)
        finally:
            os._exit(0)
    os.close(writes)
    os.set_blocking(reads, False)
    until = time.monotonic() + seconds
    said, status = b"", 0
    while not said.endswith(END) and time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0.002)
        said += _read(reads)
        if ended:
            child = 0
            break
    os.close(reads)
    if child:
        os.kill(child, 9)
        os.waitpid(child, 0)
    if not said:
        return None if child else f"it died ({os.waitstatus_to_exitcode(status)})"
    return said.removesuffix(END).decode(errors="replace")


def _read(pipe: int) -> bytes:
    try:
        return os.read(pipe, 65536)
    except BlockingIOError:
        return b""


CHECKS = (threads, fork)
