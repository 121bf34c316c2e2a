"""Keras's own callbacks: their settings as params, and what they decided as metrics."""

from __future__ import annotations

import glob
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fitscribe import guarded

__all__ = ["known", "leave_rates", "log_outcome", "log_settings"]

SETTERS = ("LambdaCallback", "LearningRateScheduler", "ReduceLROnPlateau")
MOST = 100  # of the user's checkpoints that are told one by one

# the names of MLflow's TensorFlow flavor for early stopping, ours for the others
SETTINGS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "EarlyStopping": (
        "",
        ("monitor", "min_delta", "patience", "baseline", "restore_best_weights", "start_from_epoch"),
    ),
    "ReduceLROnPlateau": (
        "reduce_lr_",
        ("monitor", "factor", "patience", "min_delta", "cooldown", "min_lr"),
    ),
    "ModelCheckpoint": (
        "checkpoint_",
        ("filepath", "monitor", "save_best_only", "save_weights_only", "save_freq"),
    ),
    "BackupAndRestore": ("backup_", ("backup_dir", "save_freq", "delete_checkpoint")),
    "LearningRateScheduler": ("lr_scheduler_", ("schedule",)),
    "TerminateOnNaN": ("terminate_on_nan", ()),
}


def known(callbacks: Any) -> list[Any]:
    """Return those of the user's callbacks that are told of, or are of a class below them."""
    return [each for each in _flat(callbacks) if _kind(each)]


def _flat(callbacks: Any) -> list[Any]:
    found = callbacks.callbacks if hasattr(callbacks, "callbacks") else callbacks
    if not isinstance(found, (list, tuple)):
        found = [] if found is None else [found]
    return [each for one in found for each in (one if isinstance(one, (list, tuple)) else [one])]


def leave_rates(callbacks: Any) -> bool:
    """Tell if none of the user's callbacks can set a learning rate: all are Keras's own, and of those that do not."""
    return all(
        type(each).__module__.startswith(("keras.src.callbacks", "tf_keras.src.callbacks"))
        and type(each).__name__ not in SETTERS
        for each in _flat(callbacks)
    )


def _kind(callback: Any) -> str:
    """Return the name of Keras's class that a callback is of; "" for the user's own."""
    for kind in type(callback).__mro__:
        if kind.__name__ in SETTINGS and kind.__module__.split(".")[0] in ("keras", "tf_keras"):
            return kind.__name__
    return ""


def log_settings(run: Any, callbacks: Iterable[Any]) -> None:
    """Record the settings of callbacks as they are before the training."""
    seen: dict[str, int] = {}
    for callback in callbacks:
        kind = _kind(callback)
        prefix, names = SETTINGS[kind]
        seen[kind] = seen.get(kind, 0) + 1
        suffix = "" if seen[kind] == 1 else f"_{seen[kind]}"
        with guarded(f"reading the settings of {kind}"):
            found = {f"{prefix}{name}{suffix}": _setting(callback, name) for name in names if hasattr(callback, name)}
            run.log_params(found or {f"{prefix}{suffix}": True})


def _setting(callback: Any, name: str) -> Any:
    value = getattr(callback, name)
    if name == "min_delta":
        return abs(value)  # Keras turns its sign around when it knows which way is better
    return getattr(value, "__qualname__", value) if callable(value) else value


def log_outcome(run: Any, callbacks: Iterable[Any], history: Mapping[int, Mapping[str, float]]) -> None:
    """Record what callbacks decided, by what they keep: when they stopped, which epoch was best, how good it was."""
    for callback in callbacks:
        decide = _DECIDED.get(_kind(callback))
        if decide is not None:
            with guarded(f"reading what {_kind(callback)} decided"):
                decide(run, callback, history)


def _stopped(run: Any, callback: Any, history: Mapping[int, Mapping[str, float]]) -> None:
    best = getattr(callback, "best_epoch", None) if _is_number(callback.best) else None
    if best is not None:
        run.log_metrics({"best_epoch": best, f"best_{callback.monitor}": callback.best})
    if not callback.stopped_epoch:
        return
    run.log_metrics({"stopped_epoch": callback.stopped_epoch})
    if callback.restore_best_weights and callback.best_weights is not None and best is not None:
        run.log_metrics({"restored_epoch": best})
        # the latest value of each metric is then that of the model as it is now, as MLflow has it
        run.log_metrics(history.get(best, {}), step=callback.stopped_epoch + 1)


def _kept(run: Any, callback: Any, history: Mapping[int, Mapping[str, float]]) -> None:
    if callback.save_best_only and _is_number(callback.best):
        run.log_metrics({f"checkpoint_best_{callback.monitor}": callback.best})
    run.later(partial(_told, run, str(callback.filepath), str(callback.monitor), callback.save_best_only))


def _told(run: Any, pattern: str, monitor: str, best: bool) -> None:
    """Tell of the files that lie where the user's own checkpoints go, by path and hash; they are not copied."""
    files = sorted(glob.glob(re.sub(r"\{[^}]*\}", "*", glob.escape(pattern))))
    told = [
        {"path": file, "bytes": Path(file).stat().st_size, "sha256": _digest(Path(file))}
        for file in files[:MOST]
        if Path(file).is_file()
    ]
    if told:
        about = {"monitor": monitor, "best": best}
        run.log_text(json.dumps([{**each, **about} for each in told], indent=2), "checkpoints/checkpoints.json")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_number(value: Any) -> bool:
    return value is not None and math.isfinite(float(value))


def _gone_wrong(run: Any, callback: Any, history: Mapping[int, Mapping[str, float]]) -> None:
    last = history.get(max(history, default=0), {})
    if any(isinstance(value, float) and math.isnan(value) for value in last.values()):
        run.set_tags({"fitscribe.stopped": "the loss is NaN"})


_DECIDED = {"EarlyStopping": _stopped, "ModelCheckpoint": _kept, "TerminateOnNaN": _gone_wrong}
