"""Hugging Face's Trainer with no line added to it: settings, losses, evaluations and checkpoints. No download."""

import fitscribe

fitscribe.autolog()

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed
from transformers.utils import logging

logging.disable_progress_bar()


class Reviews(torch.utils.data.Dataset):
    """Eight words each; a review is good when it has more good words (below 20) than bad ones."""

    def __init__(self, rows: int, seed: int) -> None:
        self.words = torch.randint(0, 40, (rows, 8), generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, place: int) -> dict:
        return {"input_ids": self.words[place], "labels": ((self.words[place] < 20).sum() > 4).long()}


set_seed(0)
small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
arguments = TrainingArguments(
    output_dir="reviews",
    run_name="small bert",
    num_train_epochs=4,
    learning_rate=5e-3,
    per_device_train_batch_size=32,
    per_device_eval_batch_size=160,
    logging_steps=10,
    eval_strategy="epoch",
    save_strategy="epoch",
    load_best_model_at_end=True,
    metric_for_best_model="eval_accuracy",
    disable_tqdm=True,
    report_to="none",
    use_cpu=True,
)
trainer = Trainer(
    model=BertForSequenceClassification(BertConfig(vocab_size=40, max_position_embeddings=16, **small)),
    args=arguments,
    train_dataset=Reviews(640, seed=1),
    eval_dataset=Reviews(160, seed=2),
    compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())},
)
trainer.train()
trainer.predict(Reviews(160, seed=3))

run = fitscribe.last_active_run()
for name in ("model_class", "total_params", "learning_rate", "num_train_epochs", "lr_scheduler_type"):
    print(f"{name} = {run.data.params[name]}")
for key in ("loss", "eval_accuracy"):
    points = fitscribe.get_metric_history(run.info.run_id, key)
    print(f"{key}: {len(points)} points, to step {points[-1].step}")
print("good on new reviews:", run.data.metrics["test_accuracy"] > 0.8)
