"""`Trainer.fit`: what its run has, and what it leaves as it was."""

from __future__ import annotations

import json
import pickle
import threading
import traceback

import lightning.pytorch as pl
import pytest
import torch

import fitscribe
from integration.lightning import toys


def test_a_fit_is_one_run_with_its_settings_and_every_value_by_epoch(autolog, recorder):
    """W-11, W-51, W-55: one name of a metric cost all the others; schedulers and the model's class were not told."""
    model = toys.Classifier()
    toys.trainer(gradient_clip_val=0.7).fit(model, toys.loader(), toys.loader())
    run = recorder.run("Classifier")
    params = recorder.params(run)
    told = {
        "epochs": "3",
        "optimizer_name": "Adam",
        "lr": "0.02",
        "betas": "(0.9, 0.999)",
        "amsgrad": "False",
        "hidden": "8",
        "lr_scheduler_name": "StepLR",
        "lr_scheduler_gamma": "0.5",
        "lr_scheduler_interval": "epoch",
        "gradient_clip_val": "0.7",
        "precision": "32-true",
        "strategy": "single_device",
        "accelerator": "cpu",
        "num_devices": "1",
        "total_params": "58",
        "trainable_params": "58",
        "batch_size": "16",
        "train_samples": "64",
        "train_batches": "4",
    }
    assert {key: params.get(key) for key in told} == told
    for key in ("train_loss", "train_loss_step", "train_loss_epoch", "by_step", "acc_1", "val_loss", "epoch_time"):
        assert [step for step, _ in recorder.history(run, key)] == [0, 1, 2], key
    assert recorder.history(run, "learning_rate") == [(0, 0.02), (1, 0.02), (2, 0.01)]
    assert recorder.metrics(run)["steps_per_second"] > 0
    assert recorder.status(run) == "FINISHED"
    assert recorder.tags(run)["mlflow.autologging"] == "pytorch"
    assert "net.0 | Linear" in recorder.artifacts(run)["model_summary.txt"].decode()


def test_values_are_those_that_lightning_reports(autolog, recorder):
    trainer = toys.trainer()
    trainer.fit(toys.Classifier(), toys.loader(), toys.loader())
    found = recorder.metrics(recorder.run())
    for key, value in trainer.callback_metrics.items():
        assert found[key.replace("@", "_")] == pytest.approx(float(value))


def test_steps_that_are_asked_for_come_at_the_optimizers_steps(autolog, recorder):
    autolog(log_every_n_step=3)
    toys.trainer().fit(toys.Classifier(), toys.loader(), toys.loader())
    run = recorder.run()
    for key in ("train_loss_step", "by_step", "learning_rate_step"):
        assert [step for step, _ in recorder.history(run, key)] == [3, 6, 9, 12], key
    for key in ("train_loss", "train_loss_epoch", "val_loss"):
        assert [step for step, _ in recorder.history(run, key)] == [0, 1, 2], key


def test_with_accumulated_gradients_a_step_is_one_of_the_optimizer(autolog, recorder):
    autolog(log_every_n_step=1)
    toys.trainer(max_epochs=2, accumulate_grad_batches=2).fit(toys.Classifier(), toys.loader())
    assert [step for step, _ in recorder.history(recorder.run(), "by_step")] == [1, 2, 3, 4]


def test_every_second_epoch_alone_is_recorded_where_asked(autolog, recorder):
    autolog(log_every_n_epoch=2)
    toys.trainer(max_epochs=4).fit(toys.Classifier(), toys.loader())
    assert [step for step, _ in recorder.history(recorder.run(), "train_loss")] == [1, 3]


def test_a_validation_every_second_epoch_is_not_told_again_in_between(autolog, recorder):
    toys.trainer(max_epochs=4, check_val_every_n_epoch=2).fit(toys.Classifier(), toys.loader(), toys.loader())
    assert [step for step, _ in recorder.history(recorder.run(), "val_loss")] == [1, 3]


def test_several_validations_in_an_epoch_have_a_series_by_step(autolog, recorder):
    loaders = [toys.loader(), toys.loader(32)]
    toys.trainer(max_epochs=2, val_check_interval=0.5).fit(toys.Classifier(), toys.loader(), loaders)
    run = recorder.run()
    for number in (0, 1):
        key = f"dataloader_idx_{number}"
        assert [step for step, _ in recorder.history(run, f"val_loss_step/{key}")] == [2, 4, 6, 8]
        assert [step for step, _ in recorder.history(run, f"val_loss/{key}")] == [0, 1]


def test_the_sanity_check_is_not_recorded(autolog, recorder):
    toys.trainer(max_epochs=1, num_sanity_val_steps=2).fit(toys.Classifier(), toys.loader(), toys.loader())
    assert len(recorder.history(recorder.run(), "val_loss")) == 1


def test_two_optimizers_taken_by_hand_are_both_told_with_their_groups(autolog, recorder):
    autolog(log_every_n_step=4)
    toys.trainer(max_epochs=2).fit(toys.Gan(), toys.loader())
    run = recorder.run("Gan")
    params = recorder.params(run)
    assert (params["optimizer_name"], params["optimizer_name_2"]) == ("Adam", "SGD")
    assert (params["lr"], params["optimizer_2_lr"], params["optimizer_2_group_2_lr"]) == ("0.1", "0.2", "0.3")
    assert recorder.metrics(run)["learning_rate_2_group_2"] == pytest.approx(0.3)
    assert [step for step, _ in recorder.history(run, "loss")] == [4, 8, 12, 16]


def test_a_hyper_parameter_whose_name_is_taken_has_a_name_of_its_own(autolog, recorder):
    class Named(toys.Classifier):
        def __init__(self, lr=0.02, hidden=8, epochs=99, nested=None):
            super().__init__(lr, hidden)
            self.save_hyperparameters()

    toys.trainer(max_epochs=1).fit(Named(nested={"a": {"b": 1}}), toys.loader())
    params = recorder.params(recorder.run())
    assert (params["epochs"], params["hparams_epochs"], params["nested/a/b"]) == ("1", "99", "1")


def test_two_fits_of_one_trainer_are_two_runs_each_with_its_own_values(autolog, recorder):
    """W-06: the second run was empty, and its metrics stood in the first one."""
    trainer, model = toys.trainer(max_epochs=1), toys.Classifier()
    trainer.fit(model, toys.loader())
    trainer.fit_loop.max_epochs = 3
    trainer.fit(model, toys.loader())
    first, second = recorder.runs()
    assert [step for step, _ in recorder.history(first, "train_loss")] == [0]
    assert [step for step, _ in recorder.history(second, "train_loss")] == [1, 2]
    assert recorder.params(second)["epochs"] == "3"


def test_a_fit_in_the_users_run_writes_there_and_a_second_one_to_a_child(autolog, recorder):
    """W-02: the params of the first fit stood beside metrics of the second."""
    with fitscribe.unwatched():
        toys.trainer(max_epochs=1).fit(toys.Classifier(), toys.loader())
    assert recorder.runs() == []
    from fitscribe.current import entered
    from fitscribe.run import Run

    mine = Run.start("mine", by_user=True)
    with entered(mine):
        toys.trainer(max_epochs=1).fit(toys.Classifier(), toys.loader())
        toys.trainer(max_epochs=2).fit(toys.Classifier(lr=0.5), toys.loader())
    mine.end()
    run, child = recorder.runs()
    assert (recorder.params(run)["lr"], recorder.params(child)["lr"]) == ("0.02", "0.5")
    assert child.parent == run.run


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("too bad"), "FAILED"), (KeyboardInterrupt(), "KILLED")], ids=["error", "Ctrl-C"]
)
def test_a_training_that_breaks_off_keeps_every_finished_epoch(autolog, recorder, error, status):
    """W-23, W-24: the last epochs were lost, and the model was pending for ever."""
    trainer = toys.trainer(max_epochs=5)
    callbacks, before = trainer.callbacks, list(trainer.callbacks)
    with pytest.raises(SystemExit if status == "KILLED" else ValueError, match=r"1|too bad"):
        trainer.fit(toys.Interrupted(error), toys.loader(), toys.loader())
    run = recorder.run()
    assert recorder.status(run) == status
    assert [step for step, _ in recorder.history(run, "val_loss")] == [0, 1]
    assert trainer.callbacks is callbacks
    assert callbacks == before


def test_the_users_trainer_and_files_know_nothing_of_us(autolog, recorder, tmp_path):
    seen = []

    class Mine(pl.Callback):
        def on_train_start(self, trainer, module):
            seen.append([type(each).__name__ for each in trainer.callbacks])

    trainer = toys.trainer(callbacks=[Mine()], enable_checkpointing=True, default_root_dir=tmp_path)
    callbacks, before = trainer.callbacks, list(trainer.callbacks)
    trainer.fit(toys.Classifier(), toys.loader(), toys.loader())
    assert trainer.callbacks is callbacks
    assert callbacks == before
    assert seen[0][-1] == "ModelCheckpoint"  # checkpoints are written last, as Lightning has it
    assert trainer.loggers == []
    content = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=False)
    assert "fitscribe" not in repr(content)
    assert not [name for name in vars(trainer) if "fitscribe" in name]


def test_training_draws_the_same_random_numbers_as_without(autolog, recorder):
    class Dropping(toys.Classifier):
        def __init__(self):
            super().__init__()
            self.net.append(torch.nn.Dropout(0.5))
            self.example_input_array = torch.zeros(1, 4)

    def trained():
        model = Dropping()
        torch.manual_seed(1)
        toys.trainer(max_epochs=2).fit(model, toys.loader())
        return torch.cat([each.detach().flatten() for each in model.parameters()])

    autolog(log_models=True)
    with_us = trained()
    with fitscribe.unwatched():
        assert torch.equal(with_us, trained())


def test_fast_dev_run_is_said_and_keeps_no_model(autolog, recorder):
    autolog(log_models=True)
    toys.trainer(fast_dev_run=2).fit(toys.Classifier(), toys.loader(), toys.loader())
    run = recorder.run()
    assert recorder.tags(run)["fitscribe.fast_dev_run"] == "true"
    assert not [path for path in recorder.artifacts(run) if path.startswith("model/")]


def test_a_fit_that_is_resumed_goes_on_at_its_epoch(autolog, recorder, tmp_path):
    trainer = toys.trainer(max_epochs=2)
    trainer.fit(toys.Classifier(), toys.loader())
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    toys.trainer(max_epochs=4).fit(toys.Classifier(), toys.loader(), ckpt_path=tmp_path / "two.ckpt")
    run = recorder.runs()[1]
    assert [step for step, _ in recorder.history(run, "train_loss")] == [2, 3]
    assert recorder.params(run)["ckpt_path"].endswith("two.ckpt")


def test_the_model_is_kept_with_what_it_takes_and_loads_again(autolog, recorder):
    autolog(log_models=True)
    toys.trainer(max_epochs=1).fit(toys.Classifier(), toys.loader())
    run = recorder.run()
    files = recorder.artifacts(run)
    assert "model/data/model.pth" in files
    described = " ".join(files["model/MLmodel"].decode().split())
    assert "[-1, 4]" in described
    assert "[-1, 2]" in described
    assert recorder.tags(run)["fitscribe.model_epoch"] == "0"


def test_fits_in_threads_have_runs_of_their_own(autolog, recorder):
    """W-01: of eight runs three were empty."""

    def fit(lr):
        toys.trainer(max_epochs=2).fit(toys.Classifier(lr=lr), toys.loader())

    threads = [threading.Thread(target=fit, args=(lr,)) for lr in (0.125, 0.25)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    runs = recorder.runs()
    assert sorted(recorder.params(run)["lr"] for run in runs) == ["0.125", "0.25"]
    assert [len(recorder.history(run, "train_loss")) for run in runs] == [2, 2]


def test_a_users_error_names_no_line_of_ours(autolog, recorder):
    """W-36: each watched call put four to six frames of MLflow into the traceback."""
    with pytest.raises(ArithmeticError) as raised:
        toys.trainer(max_epochs=4).fit(toys.Interrupted(ArithmeticError("mine")), toys.loader())
    frames = [each.filename for each in traceback.extract_tb(raised.value.__traceback__)]
    assert not [each for each in frames if "fitscribe" in each and "integration/" not in each]


def test_a_model_that_cannot_be_pickled_costs_only_itself(autolog, recorder):
    """W-09: it cost the run its metrics."""
    autolog(log_models=True)
    model = toys.Classifier()
    model.door = (each for each in ())
    toys.trainer(max_epochs=1).fit(model, toys.loader())
    run = recorder.run()
    assert recorder.status(run) == "FINISHED"
    assert "left out" in recorder.tags(run)["fitscribe.model"]
    assert recorder.metrics(run)["train_loss"] > 0


def test_logging_in_the_hook_at_the_epochs_end_is_recorded(autolog, recorder):
    class Late(toys.Classifier):
        def on_train_epoch_end(self):
            self.log("late", float(self.current_epoch))

    toys.trainer(max_epochs=2).fit(Late(), toys.loader())
    assert recorder.history(recorder.run(), "late") == [(0, 0.0), (1, 1.0)]


def test_our_callback_can_be_sent_to_another_process_and_holds_no_state():
    from fitscribe.integrations.lightning import joining

    made = joining.callback_class("lightning.pytorch", True)("token", "", {"log_every_n_step": None})
    again = pickle.loads(pickle.dumps(made))
    assert type(again) is type(made)
    assert again.given == made.given
    assert made.state_dict() == {}


def test_the_data_of_a_fit_are_an_input_of_its_run(autolog, recorder):
    """W-15: `log_datasets=True` recorded none."""
    toys.trainer(max_epochs=1).fit(toys.Classifier(), toys.loader(), toys.loader(32))
    found = [each for each in recorder.said if type(each).__name__ == "DatasetUsed"]
    assert [each.context for each in found] == ["train", "eval"]
    assert json.loads(found[0].profile)["features_shape"] == [64, 4]
    autolog(log_datasets=False)
    recorder.said.clear()
    toys.trainer(max_epochs=1).fit(toys.Classifier(), toys.loader())
    assert not [each for each in recorder.said if type(each).__name__ == "DatasetUsed"]
