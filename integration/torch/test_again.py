"""A loop that was not recorded, or during which autologging was switched off, is no reason not to record the next.

Nor is what another thread is just making.
"""

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


def test_while_another_thread_makes_what_it_trains_with_a_loop_is_recorded(recorder, autolog):
    half_made = [kind.__new__(kind) for kind in (torch.nn.Linear, torch.optim.SGD, torch.amp.GradScaler)]
    half_made[2]._enabled = True
    loop()
    (run,) = recorder.runs()
    params = recorder.params(run)
    assert (run.name, params["optimizer_name"], params["total_params"]) == ("Linear", "SGD", "5")
    assert "amp" not in params
