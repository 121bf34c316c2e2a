"""What a Trainer of Hugging Face's transformers was told, and what it leaves on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from fitscribe.models.copies import digest_of

__all__ = ["files", "name_of", "outcome", "params", "weights", "whole"]

# of the arguments, what is told even if nobody set it
MAIN = """per_device_train_batch_size gradient_accumulation_steps learning_rate weight_decay num_train_epochs max_steps
warmup_steps lr_scheduler_type optim max_grad_norm seed bf16 fp16"""
WEIGHTS = ("*model*.safetensors", "*model*.bin")


def name_of(trainer: Any) -> str:
    """Return the name that the user gave the run, else the model's class; older Trainers name runs by their folder."""
    given = trainer.args.run_name
    return str(given) if given and given != trainer.args.output_dir else type(trainer.model).__name__


def params(args: Any, model: Any, resumed: Any = None) -> dict[str, Any]:
    """Return the main arguments and all that differ from their defaults, the model's settings likewise, and its size.

    `resumed` is the checkpoint that `train` was told to go on from, or True for the last one.

    Tokens are left out; of two settings of one name, such as `seed`, the arguments' wins, as in MLflow.
    """
    usual = {each.name: each.default for each in fields(args)}
    told = {name: value for name, value in args.to_dict().items() if name in MAIN.split() or value != usual.get(name)}
    config: Any = getattr(model, "config", None)
    made = config.to_diff_dict() if hasattr(config, "to_diff_dict") else {}
    sizes = [(each.numel(), each.requires_grad) for each in model.parameters()]
    counts = {"total_params": sum(size for size, _ in sizes), "trainable_params": sum(n for n, on in sizes if on)}
    found = {"model_class": type(model).__name__, **made, **told, **counts}
    found |= {"resume_from_checkpoint": str(resumed)} if resumed else {}
    return {name: value for name, value in found.items() if _is_plain(value) and not name.endswith("_token")}


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and value != ""


def whole(args: Any, model: Any) -> dict[str, dict[str, Any]]:
    """Return all arguments, and all settings of the model, by the names of the files that they are kept in."""
    config: Any = getattr(model, "config", None)
    found = {"training_arguments.json": args.to_dict()}
    return {**found, "model_config.json": config.to_dict()} if hasattr(config, "to_dict") else found


def outcome(state: Any) -> dict[str, float]:
    """Return the best value of the metric that the Trainer was told to watch, its step, and the work that was done.

    The last is among the values that are logged, but a Trainer's own callbacks take it out when they print those.
    """
    found = {name: getattr(state, name, None) for name in ("best_metric", "best_global_step", "total_flos")}
    return {name: value for name, value in found.items() if value is not None}


def files(folder: str) -> dict[str, Path]:
    """Return the files in a folder that a model was saved to, but for checkpoints below it, by path."""
    place = Path(folder)
    inside = {file.relative_to(place): file for file in sorted(place.rglob("*")) if file.is_file()}
    own = {path: file for path, file in inside.items() if not path.parts[0].startswith(("checkpoint-", "run"))}
    return {f"{place.name}/{path.as_posix()}": file for path, file in own.items()}


def weights(folder: str) -> Iterator[dict[str, Any]]:
    """Read the weights that lie in a folder, for path, size in bytes and SHA-256 of each file.

    What the training deletes meanwhile, as it does with all but its last few checkpoints, is left out.
    """
    for pattern in WEIGHTS:
        for file in sorted(Path(folder).glob(pattern)):
            with contextlib.suppress(OSError):
                yield {"path": str(file.absolute()), "size": file.stat().st_size, "sha256": digest_of(file)}
