"""The configuration of a training: its model, data, optimizers and schedulers, and where it runs."""

from __future__ import annotations

from typing import Any

from fitscribe import guarded
from fitscribe.integrations.torch import epochs, found, graphs, inputs
from fitscribe.integrations.torch.here import Here

__all__ = ["log", "log_model", "log_models", "log_optimizer"]

SUMMARY = 100_000  # characters of a model's summary
PLAIN = (bool, int, float, str, type(None))


def log(run: Any, around: found.Around, place: Here, call: Any) -> None:
    """Record what is known when the run begins, with this call of `backward`."""
    log_model(run, around)
    with guarded("reading the DataLoader"):
        passing = epochs.current(place)
        if passing is not None:
            run.log_params(passing.facts)
            if call.options["log_datasets"]:
                inputs.log(run, passing)
    with guarded("reading mixed precision"):
        told = graphs.told(call.argument("tensors"))
        run.log_params({key: value for key, value in told.items() if value} | _scaler(around))
    with guarded("reading what was clipped"):
        run.log_params(place.clipping)
    place.clipping = {}


@guarded("reading the model")
def log_model(run: Any, around: found.Around) -> None:
    """Record what the model is, and where it runs."""
    run.log_params(_model(around))
    run.log_params(_surroundings(around))
    if around.models:
        run.log_text("\n".join(repr(each) for each in around.models)[:SUMMARY] + "\n", "model_summary.txt")


def _model(around: found.Around) -> dict[str, Any]:
    if not around.models:
        return {}
    kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in map(found.kind_of, around.models)]
    weights = {id(weight): weight for each in around.models for weight in found.weights_of(each)}.values()
    trained = sum(found.size_of(each) for each in weights if each.requires_grad)
    total = sum(found.size_of(each) for each in weights)
    facts: dict[str, Any] = {
        "model_class": ", ".join(kinds),
        "total_params": total,
        "trainable_params": trained,
        "non_trainable_params": total - trained,
    }
    wrappers = [each for each in around.wrappers if each != "OptimizedModule"]
    return {
        **facts,
        **({"model_wrapper": ", ".join(wrappers)} if wrappers else {}),
        **({"torch_compile": True} if "OptimizedModule" in around.wrappers else {}),
    }


def _scaler(around: found.Around) -> dict[str, Any]:
    told = ("_init_scale", "_growth_factor", "_backoff_factor", "_growth_interval")
    whole = [each for each in around.scalers if all(hasattr(each, key) for key in told)]  # else it is being made
    enabled = [each for each in whole if getattr(each, "_enabled", False)]
    if len(enabled) != 1:
        return {}
    return {"amp": True} | {f"grad_scaler{key}": getattr(enabled[0], key) for key in told}


def _surroundings(around: found.Around) -> dict[str, Any]:
    import torch

    facts: dict[str, Any] = {"torch_version": str(torch.__version__)}
    weight = next((weight for each in around.models for weight in found.weights_of(each)), None)
    if weight is None:
        return facts
    facts |= {"device": str(weight.device), "dtype": str(weight.dtype).removeprefix("torch.")}
    if weight.device.type == "cuda":
        facts["device_name"] = torch.cuda.get_device_name(weight.device)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        facts |= {"world_size": torch.distributed.get_world_size(), "backend": torch.distributed.get_backend()}
    return facts


def log_optimizer(run: Any, around: found.Around, optimizer: Any, suffix: str) -> None:
    """Record an optimizer and its schedulers; each key ends in `suffix`."""
    if optimizer is None:
        return
    run.log_params({key + suffix: value for key, value in _optimizer(optimizer).items()})
    if suffix:
        trained = sum(found.size_of(each) for group in optimizer.param_groups for each in group["params"])
        run.log_params({f"model_class{suffix}": around.label(optimizer), f"trainable_params{suffix}": trained})
    there = [each for ref in around.schedulers if (each := ref()) is not None]
    mine = [each for each in there if getattr(each, "optimizer", None) is optimizer]
    run.log_params({key + suffix: value for key, value in _schedulers(mine).items()})


@guarded("recording the model")
def log_models(run: Any, models: list[Any]) -> None:
    """Record models as they are, each under its class if there are several; what no single rank has is left out."""
    if any(set(found.unwrapped(each)[1]) & set(found.SHARDED) for each in models):
        run.set_tags({"fitscribe.model": "left out: it is sharded, and each rank has a part"})
        return
    names = [type(each).__name__ for each in models]
    for place, each in enumerate(models):
        own = names[place] if names.count(names[place]) == 1 else str(place + 1)
        run.log_model(each, "model" if len(models) == 1 else f"model_{own}", flavor="pytorch", signature=False)


def _optimizer(optimizer: Any) -> dict[str, Any]:
    """Return the hyper-parameters of the first group under torch's names, and where the others differ from it."""
    groups = [_group(each) for each in optimizer.param_groups]
    facts = {"optimizer_name": type(optimizer).__name__, **groups[0]}
    if len(groups) > 1:
        facts["param_groups"] = len(groups)
    for place, group in enumerate(groups[1:], 1):
        facts |= {f"group_{place}_{key}": value for key, value in group.items() if value != groups[0].get(key)}
    return facts


def _group(group: dict[str, Any]) -> dict[str, Any]:
    facts = {key: value for key, value in group.items() if key not in ("params", "param_names") and _plain(value)}
    if "initial_lr" in facts:
        facts["lr"] = facts.pop("initial_lr")  # what the scheduler began with
    return facts


def _plain(value: Any) -> bool:
    return isinstance(value, PLAIN) or (isinstance(value, tuple) and all(isinstance(each, PLAIN) for each in value))


def _schedulers(schedulers: list[Any]) -> dict[str, Any]:
    """Return the classes of schedulers, and of a single one its settings."""
    if not schedulers:
        return {}
    facts: dict[str, Any] = {"lr_scheduler": ", ".join(type(each).__name__ for each in schedulers)}
    if len(schedulers) == 1:
        left_out = ("last_epoch", "verbose", "num_bad_epochs", "best", "cooldown_counter", "mode_worse")
        for key, value in vars(schedulers[0]).items():
            if not key.startswith("_") and key not in left_out and (_plain(value) or isinstance(value, list)):
                facts[f"lr_scheduler_{key}"] = value
    return facts
