"""A loop that was not recorded, or during which autologging was switched off, is no reason not to record the next."""

from __future__ import annotations

import torch

import fitscribe
from fitscribe.current import entered
from fitscribe.run import Run


def loop(steps=5):
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(8, 4)).mean().backward()
        optimizer.step()


def test_after_a_loop_in_a_run_that_is_exclusively_the_users_the_next_one_is_recorded(recorder, autolog):
    autolog(exclusive=True)
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        loop()
    mine.end()
    loop()
    loop()
    assert [run.name for run in recorder.runs()] == ["mine", "Linear", "Linear"]


def test_switched_off_between_two_recorded_steps_and_on_again_a_loop_is_recorded(recorder, autolog):
    autolog(log_every_n_step=10)
    loop(15)
    fitscribe.autolog(disable=True)
    loop()
    autolog(log_every_n_step=1)
    loop()
    assert len(recorder.runs()) == 2
