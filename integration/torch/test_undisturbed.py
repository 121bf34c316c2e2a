"""A loop under autologging: it waits for no device at steps that are not recorded, and its compiled parts are whole."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import fitscribe

x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))


class Reads(TorchDispatchMode):
    """Counts what brings a tensor's value to Python, for which a device has to be waited for."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


def reads(model, optimizer, steps, clips=False):
    with Reads() as counting:
        for _ in range(steps):
            optimizer.zero_grad()
            model(x).square().mean().backward()
            if clips:
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    return counting.count


def test_values_are_read_at_the_steps_that_are_recorded_and_at_no_other(recorder, autolog):
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    assert reads(model, optimizer, 20) == 20  # of the first hundred, each is recorded
    reads(model, optimizer, 81)
    assert reads(model, optimizer, 8) == 0
    assert reads(model, optimizer, 20) == 2
    assert reads(model, optimizer, 20, clips=True) == 4  # the loss and the norm
    with fitscribe.unwatched():
        assert reads(model, optimizer, 20, clips=True) == 0


def test_values_are_read_as_often_as_was_asked_for(recorder, autolog):
    autolog(log_every_n_step=50, log_gradient_norm=True)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reads(model, optimizer, 3)
    assert reads(model, optimizer, 100) == 4


@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_step_is_compiled_as_a_whole_once_more_after_a_hundred_steps(recorder, autolog):
    """What is heard at a step changes with the step; the graphs do not."""
    import torch._dynamo as dynamo

    dynamo.reset()
    dynamo.utils.counters.clear()
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fast = torch.compile(lambda batch: model(batch).square().mean(), backend="eager", fullgraph=True)
    for _ in range(130):
        optimizer.zero_grad()
        fast(x).backward()
        optimizer.step()
    assert dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not dynamo.utils.counters["graph_break"]
    assert [step for step, _ in recorder.history(recorder.run(), "loss")] == [*range(1, 101), 110, 120, 130]
