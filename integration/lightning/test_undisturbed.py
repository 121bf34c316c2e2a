"""What a training does not notice: waiting for the device, words on the screen, settings of the process."""

from __future__ import annotations

import logging
import os

import pytest
import torch
from torch.overrides import TorchFunctionMode

import fitscribe
from integration.lightning import toys

READS = ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__")


class Counting(TorchFunctionMode):
    """Counts what reads a tensor's value, which waits for the device that it is on."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.count += getattr(function, "__name__", "") in READS
        return function(*args, **(kwargs or {}))


def reads(epochs: int, **given) -> int:
    with Counting() as counting:
        toys.trainer(max_epochs=epochs, **given).fit(toys.Classifier(), toys.loader(), toys.loader())
    return counting.count


def added(epochs: int) -> int:
    with_us = reads(epochs)
    with fitscribe.unwatched():
        return with_us - reads(epochs)


def test_an_epoch_waits_for_the_device_once(autolog, recorder):
    assert added(6) - added(3) == 3


def test_values_by_step_wait_only_at_the_steps_that_are_asked_for(autolog, recorder):
    without = added(3)
    autolog(log_every_n_step=4)
    assert added(3) - without == 3  # twelve steps


def test_nothing_is_said_and_nothing_in_the_process_is_set(autolog, recorder, capfd):
    """W-34, W-37: the root logger had a handler more, and a variable named a folder that was gone."""
    root, environment = list(logging.getLogger().handlers), dict(os.environ)
    torch_state = torch.is_grad_enabled(), torch.get_default_dtype()
    toys.trainer(max_epochs=1).fit(toys.Classifier(), toys.loader(), toys.loader())
    assert logging.getLogger().handlers == root
    changed = {key for key in {*os.environ, *environment} if os.environ.get(key) != environment.get(key)}
    assert not [key for key in changed if "LIGHTNING" in key or "FITSCRIBE" in key or "MLFLOW" in key]
    assert (torch.is_grad_enabled(), torch.get_default_dtype()) == torch_state
    shown = capfd.readouterr()
    assert "fitscribe" not in shown.out + shown.err


def test_the_model_is_left_in_the_mode_and_with_the_hooks_that_it_had(autolog, recorder):
    autolog(log_models=True)
    model = toys.Classifier()
    before = set(vars(model))
    toys.trainer(max_epochs=1).fit(model, toys.loader(), toys.loader())
    assert model.training
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    assert not [name for name in set(vars(model)) - before if "fitscribe" in name]


@pytest.mark.swallows
def test_an_error_of_ours_in_a_hook_does_not_end_the_training(autolog, recorder, monkeypatch):
    from fitscribe.integrations.lightning import values

    monkeypatch.delattr(values, "computed")
    trainer = toys.trainer(max_epochs=2)
    trainer.fit(toys.Classifier(), toys.loader(), toys.loader())
    assert trainer.current_epoch == 2
    assert recorder.status(recorder.run()) == "FINISHED"
