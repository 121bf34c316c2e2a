"""Where the two wings meet: runs speak to the journal, and what is read has been delivered before."""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fitscribe import afterwards, config, pace, workers
from fitscribe.current import last_entered
from fitscribe.guard import guarded, quietly, warn_once
from fitscribe.reading.backlog import connect as connect_reads
from fitscribe.records import Record, RunEnded, Status, now
from fitscribe.run import Run, opened, say_end, status_of, unsaid
from fitscribe.run import connect as connect_runs

if TYPE_CHECKING:
    from fitscribe.dialects import Dialect
    from fitscribe.shipping.shipper import Shipper
    from fitscribe.shipping.status import DeliveryStatus

__all__ = ["Delivery", "connect", "the_delivery"]


GET_ON = 0.4  # seconds after which an endpoint that gives trouble is not waited for, where the process is to die


class Delivery:
    """The road of this process to the endpoints; a `run.Outlet`. Makes no file and no thread until the first record."""

    emit: Callable[[Record], None]

    def __init__(self) -> None:
        """Start out with the settings; nothing else happens."""
        self.experiment: tuple[str, str] | None = None  # name and id, when the user chose one
        self._secret: dict[str, str] = {}  # tracking URIs as the user gave them, by what may be written down
        self._shipper: Shipper | None = None
        self._making = threading.Lock()
        self._left = False
        self.emit = self._first

    def _first(self, record: Record) -> None:
        self.shipper().emit(record)

    def shipper(self) -> Shipper:
        """Return the shipper, made now if it is not there; the journal lies where the process is working now."""
        if self._shipper is None:
            from fitscribe.shipping.shipper import Shipper

            with self._making:
                if self._shipper is None:
                    self._shipper = Shipper(config.folder() / "journal", self.dialect_for, self.leave)
                    self.emit = self._shipper.emit  # one call less in training loops
        return self._shipper

    def dialect_for(self, to: str) -> Dialect:
        """Return how to speak to the endpoint that records name as `to`."""
        from fitscribe.dialects import dialect_for

        return dialect_for(self._secret.get(to, to))

    def uri(self) -> str:
        """Return the tracking URI in force, canonical and without credentials."""
        return self.written(config.canonical_uri(config.settings().tracking_uri))

    def written(self, full: str) -> str:
        """Return a canonical tracking URI as it may be written down; the credentials in it are remembered here."""
        clean = config.without_credentials(full)
        if clean != full:
            self._secret[clean] = full
        return clean

    def full_uri(self, to: str) -> str:
        """Return a tracking URI with the credentials it was given, if any."""
        return self._secret.get(to, to)

    def address(self) -> tuple[str, str, str]:
        """Return tracking URI, experiment name and experiment id for a run that starts now."""
        name, experiment_id = self.experiment or (config.settings().experiment_name, config.settings().experiment_id)
        return self.uri(), name, "" if name else experiment_id

    def source(self) -> dict[str, str]:
        """Return the tags that say who and what runs here, as far as they are cheap to know."""
        from fitscribe.source import here

        return here()

    def watch(self) -> None:
        """A run is open from now on: SIGTERM is to end it as killed."""
        from fitscribe.signals import watch

        watch(self.last_words)

    def last_words(self, seconds: float) -> None:
        """Say that the open runs are killed; deliver what can be within `seconds`, while the endpoint is no trouble.

        The runs stay open here: they go on where the process does.
        """
        status, why = _restarted() or ("KILLED", "")
        for run in reversed(list(opened.values())):
            if run.process == os.getpid() and run.ended is None:
                if why:
                    run.set_tags({"fitscribe.end": why})
                run.say(RunEnded(run.id, now(), status))
        until = time.monotonic() + seconds
        with pace.hurry():
            afterwards.drain(seconds / 2)  # the ends of runs may wait for what is said after the fit
        while self._shipper is not None and (left := until - time.monotonic()) > 0:
            with pace.hurry():
                if self._shipper.flush(min(GET_ON, left)) or self._shipper.trouble():
                    return

    def snapshot(self, content: str | Path | bytes, name: str) -> str:
        """Keep a copy of a file or of bytes in the spool."""
        return self.shipper().snapshot(content, name)

    def spool_path(self, name: str) -> Path:
        """Return a fresh path in the spool."""
        return self.shipper().spool_path(name)

    def spooled(self, path: Path) -> str:
        """Return a spool path as records name it."""
        return self.shipper().spooled(path)

    def theirs(self, run: Run) -> str:
        """Return the endpoint's id of a run; waits for its creation, at most the read timeout."""
        return run.theirs or self.shipper().theirs(run.id, config.settings().read_timeout)

    def endpoint_id(self, run_id: str, seconds: float) -> str:
        """Return the endpoint's id for a run id of ours, and any other id as it is; waits for the run's creation."""
        return run_id if self._shipper is None else self._shipper.theirs(run_id, seconds)

    def flush(self, seconds: float | None = None) -> bool:
        """Wait until all that was said before is delivered or set aside; False when time ran out."""
        deadline = time.monotonic() + (config.settings().exit_timeout if seconds is None else seconds)
        with pace.hurry():
            done = afterwards.drain(max(0.0, deadline - time.monotonic()))
            if self._shipper is None and not (config.folder() / "journal").is_dir():
                return done  # else children of this process may have left something
            return self.shipper().flush(max(0.0, deadline - time.monotonic())) and done

    def status(self) -> DeliveryStatus:
        """Return how far the delivery of this process is, and what it has cost so far."""
        return self.shipper().status()

    def flush_or_say(self) -> None:
        """Deliver before a call returns that was asked for `synchronous=True`; say so where that takes too long."""
        if not self.flush(config.settings().read_timeout):
            warn_once("synchronous=True: the endpoint did not take it in time; it is kept and sent later")

    def leave(self) -> None:
        """End the runs that are still open, deliver what can be delivered within the limits, and let go."""
        self._left = True
        with guarded("the last flush"):
            status, why = _how_it_ends()
            for run in reversed(list(opened.values())):
                if run.process == os.getpid():
                    if why:
                        run.set_tags({"fitscribe.end": why})
                    run.end(status)
            with pace.hurry():
                if not afterwards.drain(config.settings().exit_timeout):
                    _end_now()
                if self._shipper is not None:
                    self._shipper.close()
            if reading := sys.modules.get("fitscribe.reading.endpoint"):
                reading.close_transports()
            if telling := sys.modules.get("fitscribe.transport.notices"):
                telling.leave()
        if type(_last_error()) is KeyboardInterrupt:
            from fitscribe.signals import remain_interrupted

            remain_interrupted()

    def late(self) -> Run | None:
        """Return the run for what threads and `__del__` say after `leave`: nobody would end a new one."""
        if not self._left:
            return None
        if not sys.is_finalizing() and threading.current_thread() is threading.main_thread():
            warn_once(
                "what is logged after the last delivery at exit is kept in %s, and `fitscribe sync` sends it",
                self.shipper().folder,
            )
        return last_entered()


def _end_now() -> None:
    """Say the ends of runs that wait for work which takes too long: nobody else would, once this process is gone."""
    mine = [each for each, (run, _) in list(unsaid.items()) if run.process == os.getpid()]
    if waiting := [each for each in mine if say_end(each)]:
        warn_once(
            "what is done after a fit, such as writing a model, was not through in %g s (FITSCRIBE_EXIT_TIMEOUT sets "
            "them); %d run(s) end without what it had to say",
            *(config.settings().exit_timeout, len(waiting)),
        )


def _how_it_ends() -> tuple[Status, str]:
    """Return the status for the runs that are open at the end of the process, and the tag that says why, if any."""
    if found := _restarted():
        return found
    if failed := workers.how_it_ends():
        return failed, ""
    error, signals = _last_error(), sys.modules.get("fitscribe.signals")
    if error is None and signals is not None and signals.told():
        return "KILLED", ""
    return status_of(error), ""


def _restarted() -> tuple[Status, str] | None:
    return ("FAILED", "kernel restarted") if quietly(_restarts, default=False) else None


def _restarts() -> bool:
    """True when this is a notebook's kernel that ends to begin anew: ipykernel keeps what it was told for its exit."""
    kernels = sys.modules.get("ipykernel.kernelapp")
    if kernels is None or not kernels.IPKernelApp.initialized():
        return False
    return bool(kernels.IPKernelApp.instance().kernel._shutdown_message["content"]["restart"])


def _last_error() -> BaseException | None:
    """Return the error that ended the script, if one did; a session at a prompt goes on after errors."""
    if hasattr(sys, "ps1") or "ipykernel" in sys.modules:
        return None
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


_delivery: Delivery | None = None
_process = 0


def the_delivery() -> Delivery:
    """Return this process's delivery, made and connected on first use."""
    global _delivery, _process
    if _delivery is None:
        _delivery = Delivery()
        connect_runs(_delivery)
        connect_reads(_delivery)
    if _process != os.getpid():  # a forked child says goodbye for itself
        if not _process:
            atexit.register(_leave)
        _process = os.getpid()
    return _delivery


def connect() -> None:
    """Let runs speak to the journal from here on."""
    the_delivery()


def forget() -> None:
    """Let the next record begin anew, with the settings as they are then; what was said is delivered first."""
    global _delivery
    if _delivery is not None:
        _delivery.leave()
        connect_runs(None)
        connect_reads(None)
        _delivery = None


def _leave() -> None:
    if _delivery is not None:
        _delivery.leave()
