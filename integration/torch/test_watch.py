"""`fitscribe.pytorch.watch`: where there is nothing to be guessed."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
from torch import nn

import fitscribe

x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


def train(model, *optimizers, steps=4):
    for _ in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()


def test_a_watched_training_has_its_name_and_its_end(recorder, autolog):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for name in ("first half", "second half"):
        with fitscribe.pytorch.watch(model, optimizer, run_name=name):
            train(model, optimizer)
    assert [run.name for run in recorder.runs()] == ["first half", "second half"]
    assert [recorder.status(run) for run in recorder.runs()] == ["FINISHED", "FINISHED"]
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [4, 4]


def test_an_error_in_its_block_fails_the_run_and_passes(recorder, autolog):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    mine = ArithmeticError("mine")

    def fail():
        with fitscribe.pytorch.watch(model, optimizer):
            train(model, optimizer)
            raise mine

    with pytest.raises(ArithmeticError) as raised:
        fail()
    assert raised.value is mine
    assert recorder.status(recorder.run()) == "FAILED"


def test_optimizers_named_together_share_a_run_however_they_step(recorder, autolog):
    one, other = nn.Linear(4, 2), nn.Bilinear(2, 2, 1)
    optimizers = [torch.optim.SGD(one.parameters(), lr=0.1), torch.optim.Adam(one.parameters(), lr=0.1)]
    watched = fitscribe.pytorch.watch([one, other], optimizers)
    train(one, optimizers[0], steps=150)
    train(one, optimizers[1])
    watched.end()
    run = recorder.run()
    assert recorder.params(run)["model_class"].count("torch.nn") == 2
    assert (recorder.metrics(run)["steps_1"], recorder.metrics(run)["steps_2"]) == (150, 4)


def test_a_model_is_recorded_as_it_is_when_its_training_ends(recorder, autolog, tmp_path):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with fitscribe.pytorch.watch(model, optimizer, log_models=True):
        train(model, optimizer)
    trained = model.weight.detach().clone()
    train(model, optimizer)
    files = recorder.artifacts(recorder.runs()[0])
    (tmp_path / "model.pth").write_bytes(files["model/data/model.pth"])
    assert torch.equal(torch.load(tmp_path / "model.pth", weights_only=False).weight, trained)
    assert not [path for path in recorder.artifacts(recorder.runs()[1]) if path.startswith("model/")]


def test_a_model_whose_training_is_let_go_is_recorded_and_one_whose_training_failed_is_not(recorder, autolog):
    def run(fails):
        model, critic = nn.Linear(4, 2), nn.Bilinear(2, 2, 1)
        optimizer = torch.optim.SGD([*model.parameters(), *critic.parameters()], lr=0.1)
        watched = fitscribe.pytorch.watch([model, critic], optimizer, log_models=True)
        train(model, optimizer)
        if fails:
            watched.end("FAILED")

    run(False)
    run(True)
    gc.collect()
    first, second = (recorder.artifacts(run) for run in recorder.runs())
    assert {"model_Linear/data/model.pth", "model_Bilinear/data/model.pth"} <= set(first)
    assert not [path for path in second if path.endswith("model.pth")]


def test_a_model_that_was_watched_and_never_trained_is_not_kept_alive(recorder, autolog):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fitscribe.pytorch.watch(model, optimizer, log_models=True)
    known = weakref.ref(model)
    del model, optimizer
    gc.collect()
    assert known() is None
    assert recorder.runs() == []


def test_what_is_no_module_or_no_optimizer_is_refused_in_plain_words(recorder, autolog):
    model = nn.Linear(4, 2)
    with pytest.raises(fitscribe.MisuseError, match="takes an optimizer, or a list of them, and this is a dict"):
        fitscribe.pytorch.watch(model, {})
    with pytest.raises(fitscribe.MisuseError, match="takes a module, or a list of modules, and this is a SGD"):
        fitscribe.pytorch.watch(torch.optim.SGD(model.parameters()), model)
    with pytest.raises(fitscribe.MisuseError, match="at least one optimizer"):
        fitscribe.pytorch.watch(model, [])


def test_options_that_cannot_be_are_refused(recorder, autolog):
    with pytest.raises(fitscribe.MisuseError, match="log_every_n_step=0"):
        autolog(log_every_n_step=0)
    with pytest.raises(fitscribe.MisuseError, match="log_gradient_norm='yes'"):
        autolog(log_gradient_norm="yes")
