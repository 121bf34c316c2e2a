"""The configuration of a fit: the trainer's arguments, hyper-parameters, optimizers, schedulers, and where it runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from fitscribe import guarded

__all__ = ["log_call", "log_training", "module_of"]

OF_TRAINER = (
    "min_epochs",
    "max_steps",
    "min_steps",
    "check_val_every_n_epoch",
    "val_check_interval",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "limit_train_batches",
    "limit_val_batches",
    "overfit_batches",
    "log_every_n_steps",
    "reload_dataloaders_every_n_epochs",
    "num_nodes",
    "num_devices",
    "world_size",
    "precision",
)
PLAIN = (str, int, float, bool, type(None))


def module_of(model: Any) -> Any:
    """Return the user's module, also where it was compiled."""
    return getattr(model, "_orig_mod", model)


def log_call(run: Any, call: Any) -> None:
    """Record what is known before the call: the trainer's arguments and where it runs."""
    trainer = call.target
    with guarded("reading the trainer's settings"):
        run.log_params(_of_trainer(trainer))
    with guarded("reading the arguments of fit"):
        if (resumed := call.argument("ckpt_path")) is not None:
            run.log_params({"ckpt_path": resumed})
        if (data := call.argument("datamodule")) is not None:
            run.log_params({"datamodule": type(data).__name__})


def _of_trainer(trainer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"epochs": trainer.max_epochs}
    found |= {name: getattr(trainer, name) for name in OF_TRAINER if hasattr(trainer, name)}
    found["accelerator"] = type(trainer.accelerator).__name__.removesuffix("Accelerator").lower()
    found["strategy"] = _strategy(trainer.strategy)
    if trainer.fast_dev_run:
        found["fast_dev_run"] = int(trainer.fast_dev_run)
    package = type(trainer.strategy).__module__.partition(".")[0]
    for name in (package, "torch"):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, "__version__"):
            found[f"{name}_version"] = module.__version__
    return found


def _strategy(strategy: Any) -> str:
    """Return a strategy's name as users write it, such as `ddp_spawn`, else its class."""
    name = getattr(strategy, "strategy_name", None) or type(strategy).__name__.removesuffix("Strategy").lower()
    method = getattr(strategy, "_start_method", None) or "popen"
    return str(name) if method == "popen" else f"{name}_{method}"


def log_training(run: Any, trainer: Any, module: Any) -> None:
    """Record what is there when training begins; the names of MLflow's first, for they are looked for by name."""
    with guarded("reading the optimizers"):
        run.log_params(_optimizers(trainer.optimizers))
    with guarded("reading the schedulers"):
        run.log_params(_schedulers(trainer.lr_scheduler_configs))
    with guarded("reading the device"):
        run.log_params({"device": str(trainer.strategy.root_device)})
    with guarded("reading hyper-parameters"):
        given = dict(getattr(module, "hparams_initial", None) or {})
        given |= dict(getattr(getattr(trainer, "datamodule", None), "hparams_initial", None) or {})
        _log_hparams(run, given)
    with guarded("reading the configuration of the command line"):
        _log_config(run, trainer)


def _optimizers(optimizers: Any) -> dict[str, Any]:
    """Return all hyper-parameters; those of the first optimizer by their bare names."""
    found: dict[str, Any] = {}
    for number, optimizer in enumerate(optimizers, 1):
        inner = getattr(optimizer, "optimizer", optimizer)  # of a LightningOptimizer
        suffix = "" if number == 1 else f"_{number}"
        found[f"optimizer_name{suffix}"] = type(inner).__name__
        stem = "" if number == 1 else f"optimizer_{number}_"
        defaults = _settings(inner.defaults)
        found |= {f"{stem}{key}": value for key, value in defaults.items()}
        if len(inner.param_groups) > 1:
            found |= _groups(inner, defaults, "" if number == 1 else f"_{number}")
    return found


def _groups(optimizer: Any, defaults: Mapping[str, Any], number: str) -> dict[str, Any]:
    """Return what groups of parameters have of their own."""
    found: dict[str, Any] = {f"optimizer{number}_groups": len(optimizer.param_groups)}
    for place, group in enumerate(optimizer.param_groups, 1):
        own = _settings({key: value for key, value in group.items() if key not in ("params", "param_names")})
        own = {key: group.get("initial_lr", value) if key == "lr" else value for key, value in own.items()}
        told = {key: value for key, value in own.items() if key in defaults and defaults[key] != value}
        found |= {f"optimizer{number}_group_{place}_{key}": value for key, value in told.items()}
    return found


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: float(value) if hasattr(value, "detach") else value for key, value in given.items()}


def _schedulers(configs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, config in enumerate(configs, 1):
        stem = "lr_scheduler" if number == 1 else f"lr_scheduler_{number}"
        scheduler = config.scheduler
        found[f"{stem}_name"] = type(scheduler).__name__
        for name in ("interval", "frequency", "monitor"):
            value = getattr(config, name, None)
            if value is not None:
                found[f"{stem}_{name}"] = value
        own = {key: value for key, value in vars(scheduler).items() if not key.startswith("_")}
        state = ("last_epoch", "base_lrs", "verbose", "best", "num_bad_epochs", "cooldown_counter", "total_iters_done")
        plain = {key: value for key, value in own.items() if key not in state and _is_plain(value)}
        found |= {f"{stem}_{key}": value for key, value in plain.items()}
    return found


def _is_plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, (list, tuple)) and all(isinstance(e, PLAIN) for e in value))


def _log_hparams(run: Any, given: Mapping[str, Any]) -> None:
    """Record hyper-parameters by their names; one whose name has another value already as `hparams_<name>`."""
    known = getattr(run, "params", {})
    for key, value in _flat(given).items():
        if key.rpartition("/")[2] in ("_class_path", "_instantiator"):
            continue
        taken = key in known and known[key] != str(value)
        run.log_params({f"hparams_{key}" if taken else key: value})


def _flat(given: Mapping[Any, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        inner = vars(value) if type(value).__name__ == "Namespace" else value
        if isinstance(inner, Mapping) and inner:
            found |= _flat(inner, f"{above}{key}/")
        elif _is_plain(value):
            found[f"{above}{key}"] = value
        else:
            name = getattr(value, "__name__", None)
            found[f"{above}{key}"] = name if isinstance(name, str) else type(value).__name__
    return found


def _log_config(run: Any, trainer: Any) -> None:
    """Record what LightningCLI was told, as the file it would be run again with."""
    for callback in trainer.callbacks:
        if any(kind.__name__ == "SaveConfigCallback" for kind in type(callback).__mro__):
            words = callback.parser.dump(callback.config, skip_none=False)
            run.log_text(words, "config.yaml")
