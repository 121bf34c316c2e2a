"""What a test starts from: nobody's settings, nothing said, nothing watched; afterwards all is as it was before."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from fitscribe import afterwards, config, current, delivery, discovery, guard
from fitscribe.reading import backlog
from fitscribe.run import connect, opened

__all__ = ["apart", "fresh_delivery", "heard", "nothing_swallowed", "nothing_waits"]

FOREIGN = ("FITSCRIBE_", "MLFLOW_", "SLURM_", "OMPI_", "PMI_", "RANK", "LOCAL_RANK")


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Begin without settings, open runs and earlier warnings; what is switched on in this block goes off with it."""
    with _no_variables(), _no_settings(), _no_runs(), _same_integrations():
        yield


@contextlib.contextmanager
def _no_variables() -> Iterator[None]:
    taken = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith(FOREIGN)}
    try:
        yield
    finally:
        os.environ.update(taken)


@contextlib.contextmanager
def _no_settings() -> Iterator[None]:
    given, said = dict(config._given), set(guard._said)
    _put(given={}, said=set())
    try:
        yield
    finally:
        _put(given, said)


def _put(given: dict[str, object], said: set[str]) -> None:
    config._given.clear()
    config.configure(**given)
    guard._said.clear()
    guard._said.update(said)


@contextlib.contextmanager
def _no_runs() -> Iterator[None]:
    entered, before = current._entered.get(), dict(opened)
    current._entered.set(())
    opened.clear()
    try:
        yield
    finally:
        current._entered.set(entered)
        opened.clear()
        opened.update(before)


@contextlib.contextmanager
def nothing_waits() -> Iterator[None]:
    """Afterwards let go of a delivery with records for an endpoint that is gone: others would wait behind them.

    One that stays is who listens again, whatever a test has connected in its place.
    """
    try:
        yield
    finally:
        road = delivery._delivery
        if road is not None and road._shipper is not None and road._shipper.pending():
            delivery.forget()
        _connect(delivery._delivery)


@contextlib.contextmanager
def _same_integrations() -> Iterator[None]:
    everybody = discovery._all
    before = {
        name: (each.enabled, dict(each._for_all), dict(each._explicit)) for name, each in discovery._loaded.items()
    }
    try:
        yield
    finally:
        discovery.disable()
        for name, (enabled, for_all, explicit) in before.items():
            found = discovery.integration(name)
            found.configure(for_all, explicit=False)
            found.configure(explicit, explicit=True)
            if enabled:
                found.enable()
        if everybody is not None:
            discovery.enable_all(everybody.options, everybody.without, everybody.ready)


@contextlib.contextmanager
def fresh_delivery() -> Iterator[None]:
    """Let a delivery of its own take what is said in this block; the one before comes back afterwards."""
    before = delivery._delivery
    delivery._delivery = None
    _connect(None)
    try:
        delivery.connect()
        yield
        afterwards.drain(30)
    finally:
        delivery.forget()
        delivery._delivery = before
        _connect(before)


def _connect(road: delivery.Delivery | None) -> None:
    connect(road)
    backlog.connect(road)


class _Ear(logging.Handler):
    """Keeps the records of a logger."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextlib.contextmanager
def nothing_swallowed(allowed: bool = False) -> Iterator[None]:
    """At the block's end raise the first error that `guarded` swallowed in it: it can hide from users, not from a test.

    With `allowed` it may hide.
    """
    logger, ear = logging.getLogger("fitscribe"), _Ear()
    logger.addHandler(ear)
    try:
        yield
    finally:
        logger.removeHandler(ear)
    swallowed = [each.exc_info[1] for each in ear.records if each.exc_info and each.levelno >= logging.WARNING]
    if swallowed and swallowed[0] is not None and not allowed:
        raise swallowed[0]


@contextlib.contextmanager
def heard() -> Iterator[list[logging.LogRecord]]:
    """Keep all that fitscribe logs in this block, DEBUG as well, and let nobody else hear it."""
    logger, ear = logging.getLogger("fitscribe"), _Ear()
    handlers, level, propagate, disabled = logger.handlers[:], logger.level, logger.propagate, logger.disabled
    logger.handlers[:], logger.propagate, logger.disabled = [ear], False, False
    logger.setLevel(logging.DEBUG)
    try:
        yield ear.records
    finally:
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, disabled
        logger.setLevel(level)
