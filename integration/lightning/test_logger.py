"""FitscribeLogger: the run of its own, and the one that it shares with autologging."""

from __future__ import annotations

from pathlib import Path

import lightning.pytorch as pl
import pytest

import fitscribe
from fitscribe.testing.endpoint import Endpoint
from integration.lightning import toys


@pytest.fixture
def endpoint(monkeypatch):
    with Endpoint() as endpoint:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", endpoint.uri)
        yield endpoint
        assert fitscribe.flush(30)


def runs(endpoint):
    assert fitscribe.flush(30)
    return list(endpoint.ledger.runs.values())


def uploads(endpoint):
    assert fitscribe.flush(30)
    return [each.path for each in endpoint.requests if each.method == "PUT" and each.path.endswith(".ckpt")]


@pytest.fixture
def autolog():
    fitscribe.lightning.autolog(log_models=True)
    yield
    fitscribe.autolog(disable=True)


def test_a_test_and_a_second_fit_go_on_in_its_run_and_send_no_checkpoint_twice(endpoint, tmp_path):
    logger = fitscribe.lightning.FitscribeLogger(run_name="one", log_model=True)
    keep = pl.callbacks.ModelCheckpoint(tmp_path, monitor="val_loss")
    trainer = toys.trainer(logger=logger, callbacks=[keep], enable_checkpointing=True, log_every_n_steps=4)
    model = toys.Classifier()
    trainer.fit(model, toys.loader(), toys.loader())
    first = len(uploads(endpoint))
    trainer.test(model, toys.loader(), verbose=False)
    assert first == len(uploads(endpoint)) == 1
    trainer.fit_loop.max_epochs = 5
    trainer.fit(model, toys.loader(), toys.loader())
    logger.finalize("success")  # said twice
    logger.log_hyperparams({"hidden": 8, "lr": 0.5})
    logger.finalize("success")
    [run] = runs(endpoint)
    assert run.status == "FINISHED"
    assert [step for _, _, step in run.points["val_loss"]] == [3, 7, 11, 15, 19]
    assert (run.params["lr"], run.tags["fitscribe.drift.lr"]) == ("0.02", "0.5")


def test_a_logger_that_was_told_of_a_run_has_autologging_write_there_until_the_model_is_kept(endpoint, autolog):
    logger = fitscribe.lightning.FitscribeLogger("tries", "mine", tags={"by": "hand"})
    model = toys.Classifier()
    trainer = toys.trainer(logger=logger, log_every_n_steps=4)
    trainer.fit(model, toys.loader(), toys.loader())
    trainer.test(model, toys.loader(), verbose=False)
    [run] = runs(endpoint)
    assert (run.run_name, run.status, run.tags["by"]) == ("mine", "FINISHED", "hand")
    assert run.params["optimizer_name"] == "Adam"
    assert [path for path in endpoint.ledger.artifacts if path.endswith("data/model.pth")]
    assert [step for _, _, step in run.points["val_loss"]] == [3, 7, 11]
    assert len(run.points["test_loss"]) == 1
    # W-49: the whole history of every metric was fetched at the end, to be told once more of the model
    assert not [each.path for each in endpoint.requests if "get-history" in each.path]


def test_a_logger_that_was_told_nothing_shares_the_run_of_each_fit_and_of_its_test(endpoint, autolog):
    logger = fitscribe.lightning.FitscribeLogger()
    model = toys.Classifier()
    for _ in range(2):
        trainer = toys.trainer(logger=logger, max_epochs=1)
        trainer.fit(model, toys.loader(), toys.loader())
        trainer.test(model, toys.loader(), verbose=False)
    found = runs(endpoint)
    assert [(run.run_name, run.status, len(run.points["test_loss"])) for run in found] == [
        ("Classifier", "FINISHED", 1),
        ("Classifier", "FINISHED", 1),
    ]


def test_a_fit_that_breaks_off_fails_its_run(endpoint, autolog):
    logger = fitscribe.lightning.FitscribeLogger(run_name="mine")
    with pytest.raises(ArithmeticError):
        toys.trainer(logger=logger, max_epochs=4).fit(toys.Interrupted(ArithmeticError("mine")), toys.loader())
    [run] = runs(endpoint)
    assert run.status == "FAILED"


def test_checkpoints_stay_below_the_folder_that_was_named_whatever_the_experiment_is_called(endpoint, tmp_path):
    logger = fitscribe.lightning.FitscribeLogger("/Users/me/tries", save_dir=tmp_path)
    trainer = toys.trainer(logger=logger, max_epochs=1, enable_checkpointing=True)
    trainer.fit(toys.Classifier(), toys.loader())
    kept = Path(trainer.checkpoint_callback.best_model_path)
    assert kept.is_relative_to(tmp_path / "Users_me_tries" / str(logger.version))
