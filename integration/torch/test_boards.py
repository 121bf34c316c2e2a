"""A SummaryWriter's values, with and without a training loop around it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import pytest
import torch
from torch import nn

PACKAGES = {"torch.utils.tensorboard": "tensorboard", "tensorboardX": "tensorboardX"}


@pytest.fixture(params=PACKAGES)
def SummaryWriter(request):
    """The writer of torch, which needs TensorBoard, and that of tensorboardX, which does not."""
    if not find_spec(PACKAGES[request.param]):
        pytest.skip(f"{PACKAGES[request.param]} is not installed here")
    return import_module(request.param).SummaryWriter


def test_a_writer_without_a_run_makes_one_not_one_per_value(recorder, autolog, tmp_path, SummaryWriter):
    """W-21, W-22, W-47: all points, in one run, at once."""
    writer = SummaryWriter(tmp_path)
    for step in range(300):
        writer.add_scalar("train/loss", 1 / (step + 1), step)
    run = recorder.run()
    history = recorder.history(run, "train/loss")
    assert history == [(step, pytest.approx(1 / (step + 1))) for step in range(300)]
    writer.close()
    del writer
    assert recorder.status(run) == "FINISHED"


def test_scalars_of_every_kind_have_keys_of_their_own(recorder, autolog, tmp_path, SummaryWriter):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalars("speed", {"train": 1.0, "val": torch.tensor(2.0)}, 3)
        if "torch" in SummaryWriter.__module__:
            writer.add_scalar("new", 0.25, 4, new_style=True)
            writer.add_scalar("exact", 0.1, 4, new_style=True, double_precision=True)
    run = recorder.run()
    assert recorder.history(run, "speed/train") == [(3, 1.0)]
    assert recorder.history(run, "speed/val") == [(3, 2.0)]
    if "torch" in SummaryWriter.__module__:
        assert recorder.history(run, "new") == [(4, 0.25)]
        assert recorder.history(run, "exact") == [(4, 0.1)]


def test_hparams_are_params_and_their_metrics_metrics(recorder, autolog, tmp_path, SummaryWriter):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "kind": "sgd"}, {"hparam/accuracy": 0.9})
    run = recorder.run()
    assert recorder.params(run) == {"lr": "0.1", "kind": "sgd"}
    assert recorder.metrics(run) == {"hparam/accuracy": pytest.approx(0.9)}


def test_images_and_figures_are_files_of_the_run(recorder, autolog, tmp_path, SummaryWriter):
    from matplotlib import pyplot

    with SummaryWriter(tmp_path) as writer:
        writer.add_image("digit", torch.rand(3, 8, 8), 5)
        figure, axes = pyplot.subplots()
        axes.plot([1, 2])
        writer.add_figure("curve", figure, 6)
    files = recorder.artifacts(recorder.run())
    assert set(files) == {"images/digit/5.png", "images/curve/6.png"}
    assert all(content.startswith(b"\x89PNG") for content in files.values())


def test_two_writers_with_the_same_tag_are_told_apart(recorder, autolog, tmp_path, SummaryWriter):
    train, validation = SummaryWriter(tmp_path / "train"), SummaryWriter(tmp_path / "validation")
    train.add_scalar("loss", 1.0, 0)
    validation.add_scalar("loss", 2.0, 0)
    run = recorder.run()
    assert recorder.metrics(run) == {"loss": 1.0, "validation/loss": 2.0}
    train.close()
    validation.close()


@pytest.mark.parametrize("first", [True, False], ids=["told before the first step", "told after each step"])
def test_a_loop_and_its_writer_share_a_run(recorder, autolog, tmp_path, SummaryWriter, first):
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    writer = SummaryWriter(tmp_path)
    if first:
        writer.add_scalar("accuracy", 0.0, 0)
    for step in range(5):
        optimizer.zero_grad()
        loss = model(torch.randn(8, 4)).square().mean()
        loss.backward()
        optimizer.step()
        writer.add_scalar("accuracy", step / 5, step + 1)
    writer.close()
    run = recorder.run()
    assert len(recorder.history(run, "accuracy")) == 5 + first
    assert len(recorder.history(run, "loss")) == 5
