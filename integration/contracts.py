"""A small training for each integration of ours, as users write it, and what it leaves that can be compared."""

from __future__ import annotations

import functools
from typing import Any


@functools.cache
def data(rows: int = 48) -> tuple[Any, Any]:
    """Return features and two classes."""
    import numpy as np

    X = np.random.default_rng(0).normal(size=(rows, 4)).astype("float32")
    return X, (X[:, 0] > 0).astype("int64")


def sklearn() -> Any:
    """Fit a pipeline, and score it."""
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = data()
    model = make_pipeline(StandardScaler(), SGDClassifier(max_iter=5, tol=None, random_state=0)).fit(X, y)
    return {"model": model, "score": model.score(X, y)}


def xgboost() -> Any:
    """Train a booster with an evaluation, and with scikit-learn's words."""
    import xgboost

    X, y = data()
    rows = xgboost.DMatrix(X, y)
    log: dict[str, Any] = {}
    booster = xgboost.train({"nthread": 1}, rows, 3, evals=[(rows, "all")], evals_result=log, verbose_eval=False)
    return {"booster": bytes(booster.save_raw()), "log": log}


def lightgbm() -> Any:
    """Train a booster with an evaluation."""
    import lightgbm

    X, y = data()
    params = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "deterministic": True, "objective": "binary"}
    rows = lightgbm.Dataset(X, y, free_raw_data=False)
    booster = lightgbm.train(params, rows, 3, valid_sets=[rows], callbacks=[])
    return {"booster": booster.model_to_string(), "best": dict(booster.best_score)}


def catboost() -> Any:
    """Fit a classifier with an evaluation."""
    from catboost import CatBoostClassifier

    X, y = data()
    model = CatBoostClassifier(
        iterations=3, depth=2, verbose=False, thread_count=1, random_seed=0, allow_writing_files=False
    )
    model.fit(X, y, eval_set=(X, y))
    return {"predictions": model.predict_proba(X), "log": model.get_evals_result()}


def statsmodels() -> Any:
    """Fit a linear model."""
    import numpy as np
    import statsmodels.api

    X, y = data()
    fitted = statsmodels.api.OLS(y.astype(float), statsmodels.api.add_constant(X.astype(float))).fit()
    return {"params": np.asarray(fitted.params), "aic": fitted.aic}


def optuna() -> Any:
    """Optimize something."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), study_name="small")
    study.optimize(lambda trial: (trial.suggest_float("x", -1, 1) - 0.5) ** 2, n_trials=3)
    return [(trial.number, trial.params, trial.value, trial.state.name) for trial in study.trials]


def keras() -> Any:
    """Fit a network."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    history = model.fit(*data(), epochs=2, batch_size=24, verbose=0)
    return {"history": history.history, "weights": model.get_weights()}


def keras_tuner() -> Any:
    """Search a small space, of something that needs no network."""
    import tempfile

    import keras_tuner

    class Small(keras_tuner.RandomSearch):
        def run_trial(self, trial: Any, goal: float) -> Any:
            return (trial.hyperparameters.Float("x", -1, 1) - goal) ** 2

    with tempfile.TemporaryDirectory() as folder:
        tuner = Small(objective="loss", max_trials=2, seed=0, directory=folder, project_name="small")
        tuner.search(0.5)
        trials = tuner.oracle.trials.values()
        return [(trial.hyperparameters.values, trial.score, trial.status) for trial in trials]


def tensorflow() -> Any:
    """Write summaries of a loop."""
    import tempfile

    import tensorflow as tf

    weight = tf.Variable(1.0)
    with tempfile.TemporaryDirectory() as folder:
        writer = tf.summary.create_file_writer(f"{folder}/small")
        with writer.as_default():
            for step in range(3):
                weight.assign_sub(0.1 * weight)
                tf.summary.write("loss", weight, step=step)
        writer.close()
    return float(weight)


def torch() -> Any:
    """Train with a loop of one's own."""
    import torch

    torch.manual_seed(0)
    X, y = (torch.from_numpy(each) for each in data())
    model = torch.nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(X), y)
        loss.backward()
        optimizer.step()
    return {"loss": loss.item(), "weights": model.state_dict()}


def _fitted(pl: Any) -> Any:
    import torch

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(4, 2)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    torch.manual_seed(0)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", devices=1, enable_model_summary=False, **quiet)
    rows = torch.utils.data.TensorDataset(*(torch.from_numpy(each) for each in data()))
    trainer.fit(module := Module(), torch.utils.data.DataLoader(rows, batch_size=24))
    return {"weights": module.state_dict(), "metrics": dict(trainer.callback_metrics), "steps": trainer.global_step}


def lightning() -> Any:
    """Fit a module."""
    import lightning.pytorch

    return _fitted(lightning.pytorch)


def pytorch_lightning() -> Any:
    """Fit a module with the package of the other name."""
    import pytorch_lightning

    return _fitted(pytorch_lightning)


def transformers() -> Any:
    """Train a small network of one's own with a Trainer."""
    import tempfile

    import torch
    from transformers import Trainer, TrainingArguments

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = torch.nn.Linear(4, 2)

        def forward(self, x: Any, labels: Any = None) -> Any:
            logits = self.net(x)
            return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}

    torch.manual_seed(0)
    rows = [{"x": torch.from_numpy(x), "labels": int(label)} for x, label in zip(*data(), strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        args = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=24, use_cpu=True, report_to=[], seed=0,
            logging_steps=1, save_strategy="no", disable_tqdm=True, dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = Trainer(model := Small(), args, train_dataset=rows)
        trainer.train()
    losses = [each["loss"] for each in trainer.state.log_history if "loss" in each]
    return {"weights": model.state_dict(), "losses": losses}
