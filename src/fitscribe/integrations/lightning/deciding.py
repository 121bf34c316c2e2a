"""Lightning's own callbacks: their settings as params, and what they decided."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fitscribe import guarded
from fitscribe.integrations.lightning import tuning

__all__ = ["log_outcome", "log_settings", "monitored"]

MOST = 100  # of a callback's checkpoints that are told one by one

# the names of MLflow for early stopping, ours for the others
SETTINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "EarlyStopping": ("", ("monitor", "mode", "patience", "min_delta", "stopping_threshold", "divergence_threshold")),
    "ModelCheckpoint": (
        "checkpoint_",
        ("monitor", "mode", "save_top_k", "save_last", "save_weights_only", "dirpath", "filename"),
    ),
    "StochasticWeightAveraging": ("swa_", ("_swa_epoch_start", "swa_lrs", "_swa_lrs", "_annealing_epochs")),
    "LearningRateFinder": (
        "lr_find_",
        ("_min_lr", "_max_lr", "_num_training_steps", "_mode", "_early_stop_threshold"),
    ),
    "BatchSizeFinder": ("batch_size_finder_", ("_mode", "_steps_per_trial", "_init_val", "_max_trials")),
    "GradientAccumulationScheduler": ("accumulation_", ("scheduling",)),
}


def kind_of(callback: Any) -> str:
    """Return the name of Lightning's class that a callback is of, in whichever package; "" for the user's own."""
    for kind in type(callback).__mro__:
        if kind.__name__ in SETTINGS and kind.__module__.split(".")[0] in ("lightning", "pytorch_lightning"):
            return kind.__name__
    return ""


def monitored(trainer: Any, name: str) -> list[Any]:
    """Return the trainer's callbacks of a kind, in its order."""
    return [each for each in trainer.callbacks if kind_of(each) == name]


def log_settings(run: Any, trainer: Any) -> None:
    """Record the settings of callbacks; of a second one of a kind the names end in `_2`."""
    for kind, (prefix, names) in SETTINGS.items():
        for number, callback in enumerate(monitored(trainer, kind), 1):
            suffix = "" if number == 1 else f"_{number}"
            with guarded(f"reading the settings of {kind}"):
                told = {name: _setting(callback, name) for name in names if hasattr(callback, name)}
                run.log_params({f"{prefix}{_bare(name, prefix)}{suffix}": value for name, value in told.items()})
                if kind in _FOUND:
                    _FOUND[kind](run, callback)


def _bare(name: str, prefix: str) -> str:
    return name.removeprefix("_").removeprefix(prefix)


def _setting(callback: Any, name: str) -> Any:
    value = getattr(callback, name)
    return abs(value) if name == "min_delta" else value  # Lightning turns its sign around for `min`


def _rate_found(run: Any, callback: Any) -> None:
    found = getattr(callback, "optimal_lr", None)
    if found is not None:
        tuning.log_curve(run, found)


def _size_found(run: Any, callback: Any) -> None:
    if (found := getattr(callback, "optimal_batch_size", None)) is not None:
        run.log_params({"batch_size_finder_result": found})


_FOUND = {"LearningRateFinder": _rate_found, "BatchSizeFinder": _size_found}


def log_outcome(run: Any, trainer: Any, history: Mapping[int, Mapping[str, float]]) -> None:
    """Record what early stopping decided, and which checkpoints there are."""
    for number, callback in enumerate(monitored(trainer, "EarlyStopping"), 1):
        with guarded("reading what early stopping decided"):
            _stopped(run, trainer, callback, history, "" if number == 1 else f"_{number}")
    told: list[dict[str, Any]] = []
    for number, callback in enumerate(monitored(trainer, "ModelCheckpoint"), 1):
        with guarded("reading which checkpoints were written"):
            told += _kept(run, callback, "" if number == 1 else f"_{number}")
    if told:
        run.later(partial(_tell, run, told))
    with guarded("reading the averaging of weights"):
        for callback in monitored(trainer, "StochasticWeightAveraging"):
            count = callback.n_averaged
            if count is not None:
                run.log_metrics({"swa_models_averaged": float(count)})


def _stopped(run: Any, trainer: Any, callback: Any, history: Mapping[int, Mapping[str, float]], suffix: str) -> None:
    best = float(callback.best_score)
    if math.isfinite(best):
        run.log_metrics({f"best_score{suffix}": best})
    epoch = _epoch_of(history, callback.monitor, best)
    if epoch is not None:
        run.log_metrics({f"best_epoch{suffix}": epoch})
    if not callback.stopped_epoch:
        return
    run.log_metrics({f"stopped_epoch{suffix}": callback.stopped_epoch, f"wait_count{suffix}": callback.wait_count})
    reason = getattr(callback, "stopping_reason_message", None)
    if reason:
        run.set_tags({f"fitscribe.stopped{suffix}": reason})
    kept = [each for each in monitored(trainer, "ModelCheckpoint") if each.monitor == callback.monitor]
    if kept and kept[0].best_model_path and kept[0].best_model_score is not None:
        restored = _epoch_of(history, callback.monitor, float(kept[0].best_model_score))
        if restored is not None:  # that of the best checkpoint, which is not the best of a large `min_delta`
            run.log_metrics({f"restored_epoch{suffix}": restored})


def _epoch_of(history: Mapping[int, Mapping[str, float]], monitor: str, best: float) -> int | None:
    """Return the first epoch that had the best value, None where that was within an epoch."""
    return next((epoch for epoch, found in history.items() if found.get(monitor) == best), None)


def _kept(run: Any, callback: Any, suffix: str) -> list[dict[str, Any]]:
    """Record how good the best checkpoint is; return what is to be told of each file."""
    best, last = callback.best_model_path, callback.last_model_path
    score = callback.best_model_score
    if best:
        run.set_tags({f"fitscribe.best_checkpoint{suffix}": best})
    if callback.monitor and score is not None:
        run.log_metrics({f"checkpoint_best_{callback.monitor}": float(score)})
    paths = {str(path): float(value) for path, value in callback.best_k_models.items()}
    for path in (best, last):
        if path:
            paths.setdefault(str(path), math.nan)
    return [
        {
            "path": path,
            "monitor": callback.monitor,
            "mode": callback.mode,
            "score": None if math.isnan(value) else value,
            "best": path == str(best),
            "last": path == str(last),
        }
        for path, value in list(paths.items())[:MOST]
    ]


def _tell(run: Any, told: Iterable[dict[str, Any]]) -> None:
    """Tell of the user's checkpoints, by path and hash; they are not copied."""
    from fitscribe.models.copies import digest_of

    for each in told:
        file = Path(each["path"])
        if file.is_file():
            each |= {"bytes": file.stat().st_size, "sha256": digest_of(file)}
    run.log_text(json.dumps(list(told), indent=2), "checkpoints/checkpoints.json")
