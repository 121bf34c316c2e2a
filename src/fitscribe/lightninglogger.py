"""FitscribeLogger: a logger in Lightning's own interface, for those who want to name one."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from fitscribe import attaching, fluent
from fitscribe.active import ActiveRun, handle_of
from fitscribe.current import current
from fitscribe.delivery import the_delivery
from fitscribe.guard import guarded, warn_once
from fitscribe.records import Status
from fitscribe.run import Run, outlet, status_of

__all__ = ["logger_class"]

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def logger_class() -> type:
    """Return the class, made on the `Logger` of the package that is in use. `ImportError`: neither is installed."""
    used = [package for package in PACKAGES if package in sys.modules]
    return _made((used or ["lightning.pytorch"])[0])


@cache
def _made(package: str) -> type:
    loggers = import_module(f"{package}.loggers.logger")

    class FitscribeLogger(Told, loggers.Logger):  # type: ignore[misc,name-defined]
        __doc__ = Told.__doc__

        @property
        @loggers.rank_zero_experiment  # type: ignore[untyped-decorator]
        def experiment(self) -> ActiveRun:
            """The run; it begins when it is first asked for. Ranks but zero get a stand-in that does nothing."""
            return self.opened()

    FitscribeLogger.__module__, FitscribeLogger.__qualname__ = "fitscribe.lightning", "FitscribeLogger"
    return FitscribeLogger


class Told:
    """Writes what Lightning's `self.log` logs to a run: the one that is current, else one of its own.

    `log_model`: False, True (checkpoints when the training ends) or "all" (each as it is written). With autologging
    on, both write to one run: the values come from this logger, by Lightning's steps, and all else from autologging.
    That run is this logger's where it was told anything of it, and then every fit goes there.
    """

    def __init__(
        self,
        experiment_name: str | None = None,
        run_name: str | None = None,
        tracking_uri: str | None = None,
        tags: Mapping[str, Any] | None = None,
        save_dir: str | Path | None = None,
        log_model: bool | Literal["all"] = False,
        prefix: str = "",
        run_id: str | None = None,
    ) -> None:
        """Remember what is wanted; nothing is begun yet."""
        super().__init__()
        self._experiment, self._run_name, self._uri = experiment_name, run_name, tracking_uri
        self._tags, self._save_dir, self._prefix = dict(tags or {}), save_dir, prefix
        self._log_model, self.run_id = log_model, run_id
        self._handle: ActiveRun | None = None
        self._own = False
        self._elsewhere = ""  # the endpoint's id of the run, in a process that trains for the one that has it
        self._status: Status | None = None  # how the training ended, while autologging has still something to say
        self._held = self._joined = False
        self._written: dict[str, Path] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the run out but for its id: another process has a logger, not the run."""
        there = ""
        with guarded("sending the logger's run to another process"):
            if self._handle is not None and self._handle.run.ended is None:
                there = self._handle.info.run_id
        return {**vars(self), "_handle": None, "_own": False, "_held": False, "_elsewhere": there}

    def opened(self) -> ActiveRun:
        """Return the run; a training after the end of one goes on in the same."""
        if self._handle is not None and (self._joined or self._handle.run.ended is None):
            return self._handle
        if self._elsewhere:
            self._own, self._handle = False, handle_of(attaching.by_id(self._elsewhere))
            return self._handle
        if self._own and self._handle is not None:
            self.run_id = self.run_id or self._handle.info.run_id
        above = None if self.run_id else current()
        self._own = above is None
        self._handle = self._begun() if above is None else handle_of(above)
        return self._handle

    # what autologging says to it

    @property
    def told(self) -> bool:
        """True where the user told anything of the run, or it has begun already."""
        given = self._experiment or self._run_name or self._uri or self._tags or self.run_id
        return _is_rank_zero() and (bool(given) or (self._own and self._handle is not None))

    def hold(self) -> None:
        """Leave the run open at the end of the training that begins, until `let_go`."""
        self._held, self._joined, self._status = True, False, None

    def let_go(self, status: Status) -> None:
        """End the run now, if it is this logger's own: as the trainer said, else with this status."""
        self._held = False
        if self._own and self._handle is not None:
            self._handle.end(self._status or status)

    def join(self, run: Run) -> None:
        """Write to a run of autologging, which may have ended; it is not this logger's to end."""
        self._handle, self._own, self._joined = handle_of(run), False, True

    def _begun(self) -> ActiveRun:
        the_delivery()
        known = outlet().address()
        if self.run_id:
            return fluent.start_run(run_id=self.run_id, tags=self._tags, nested=True)
        address = (self._uri or known[0], self._experiment or known[1], "" if self._experiment else known[2])
        run = Run.start(self._run_name or "", tags=self._tags, by_user=True, address=address)
        return handle_of(run).enter()

    @property
    def name(self) -> str:
        """The experiment's name, for the folder of checkpoints."""
        return re.sub(r"[^\w.-]+", "_", self._experiment or "").strip("_") or "fitscribe"

    @property
    def version(self) -> str | None:
        """The run's id, for the folder of checkpoints; None before it begins."""
        return None if self._handle is None else self._handle.run.id

    @property
    def save_dir(self) -> str | None:
        """Where checkpoints go; None is the trainer's `default_root_dir`."""
        return None if self._save_dir is None else str(self._save_dir)

    @guarded("logging hyper-parameters")
    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Record hyper-parameters as params, nested ones by path; one that has another value is left as it is."""
        if _is_rank_zero() and params is not None:
            self.opened().run.log_params(_flat(params))

    @guarded("logging metrics")
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Record the metrics of one step."""
        if _is_rank_zero():
            named = {f"{self._prefix}-{key}" if self._prefix else key: value for key, value in metrics.items()}
            self.opened().run.log_metrics(named, step=step or 0)

    @guarded("recording a checkpoint")
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Record the checkpoints that were just written, now or when the training ends."""
        if not self._log_model or not _is_rank_zero():
            return
        paths = [
            *checkpoint_callback.best_k_models,
            checkpoint_callback.best_model_path,
            checkpoint_callback.last_model_path,
        ]
        self._written = {Path(path).name: Path(path) for path in paths if path and Path(path).is_file()}
        if self._log_model == "all":
            self._keep()

    def _keep(self) -> None:
        written, self._written = self._written, {}
        for name, path in written.items():
            if path.is_file():
                self.opened().run.log_checkpoint(path, f"checkpoints/{name}")

    @guarded("ending the logger's run")
    def finalize(self, status: str) -> None:
        """Record the checkpoints and end the run, if it is this logger's own; a later training takes it up again."""
        if self._handle is None or self._handle.run.ended is not None:
            return
        self._keep()
        self._status = "FINISHED" if status in ("success", "finished") else _ended(sys.exc_info()[1])
        if not self._held:
            self.let_go(self._status)

    def log_image(self, *_: Any, **__: Any) -> None:
        """Say where images go."""
        warn_once("FitscribeLogger takes images by its run: logger.experiment.log_image(image, key=..., step=...)")


def _ended(error: BaseException | None) -> Any:
    return "FAILED" if error is None else status_of(error)


def _is_rank_zero() -> bool:
    from lightning_utilities.core.rank_zero import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0  # Lightning sets it when it is imported, and again later


def _flat(params: Any, above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in dict(params if isinstance(params, Mapping) else vars(params)).items():
        inner = vars(value) if type(value).__name__ == "Namespace" else value
        if isinstance(inner, Mapping) and inner:
            found |= _flat(inner, f"{above}{key}/")
        else:
            found[f"{above}{key}"] = value
    return found
