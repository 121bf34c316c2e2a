"""A Trainer of a tiny model with random weights, on data in memory: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

__all__ = ["Rows", "accuracy", "arguments", "model", "trainer"]


class Rows(torch.utils.data.Dataset):
    """Six words each; the label is whether the first is a high one."""

    def __init__(self, rows: int = 32) -> None:
        self.words = torch.randint(0, 50, (rows, 6), generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return {"input_ids": self.words[place], "labels": (self.words[place, 0] > 25).long()}


def model(_: Any = None) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertForSequenceClassification(BertConfig(vocab_size=50, max_position_embeddings=16, **sizes))


def arguments(folder: Path, **more: Any) -> TrainingArguments:
    usual = {"max_steps": 6, "logging_steps": 2, "per_device_train_batch_size": 8, "save_strategy": "no"}
    quiet = {"report_to": "none", "disable_tqdm": True, "use_cpu": True}
    return TrainingArguments(output_dir=str(folder / "out"), **{**usual, **quiet, **more})


def accuracy(found: Any) -> dict[str, float]:
    return {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())}


def trainer(folder: Path, kind: Any = Trainer, **more: Any) -> Any:
    parts = ("callbacks", "compute_metrics", "model_init", "train_dataset", "eval_dataset")
    given = {name: more.pop(name) for name in parts if name in more}
    made = {} if "model_init" in given else {"model": model()}
    data = {"train_dataset": Rows(), "eval_dataset": Rows(16)}
    return kind(args=arguments(folder, **more), **{**made, **data, **given})
