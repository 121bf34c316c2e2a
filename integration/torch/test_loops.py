"""Loops as people write them: what of them stands in the run."""

from __future__ import annotations

import gc
import traceback

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fitscribe
from fitscribe.current import entered
from fitscribe.run import Run


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)


class Generator(Net):
    pass


class Discriminator(nn.Linear):
    def __init__(self):
        super().__init__(2, 1)


def data(rows=64):
    x = torch.randn(rows, 4, generator=torch.Generator().manual_seed(0))
    return x, (x[:, 0] > 0).long()


def loader(rows=64, **options):
    return DataLoader(TensorDataset(*data(rows)), batch_size=16, **options)


def trained(model, optimizer, steps=5, losses=None):
    """Train on all data at once, and note each loss."""
    x, y = data()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if losses is not None:
            losses.append(loss.item())


def values(history):
    return [value for _, value in history]


def test_a_supervised_loop_is_one_run_with_all_that_can_be_known(recorder, autolog):
    """W-51, W-56."""
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.02)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    train, validation = loader(shuffle=True, drop_last=True), loader()
    criterion, told = nn.CrossEntropyLoss(), []
    for _ in range(3):
        model.train()
        for x, y in train:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            told.append(loss.item())
        scheduler.step()
        model.eval()
        with torch.no_grad():
            for x, y in validation:
                criterion(model(x), y)
    del optimizer, scheduler
    gc.collect()
    run = recorder.run("Net")
    assert recorder.history(run, "loss") == [(step, pytest.approx(value)) for step, value in enumerate(told, 1)]
    assert recorder.history(run, "learning_rate") == [(1, 0.1), (5, 0.05), (9, 0.025)]
    assert [step for step, _ in recorder.history(run, "epoch_time")] == [0, 1, 2]
    assert all(seconds > 0 for seconds in values(recorder.history(run, "epoch_time")))
    assert set(values(recorder.history(run, "epoch"))) == {0, 1, 2}
    assert all(seconds > 0 for seconds in values(recorder.history(run, "step_time")))
    assert recorder.metrics(run)["steps"] == 12
    assert recorder.metrics(run)["epochs"] == 3
    params = recorder.params(run)
    wanted = {
        "optimizer_name": "AdamW",
        "lr": "0.1",
        "betas": "(0.9, 0.999)",
        "weight_decay": "0.02",
        "lr_scheduler": "StepLR",
        "lr_scheduler_gamma": "0.5",
        "lr_scheduler_step_size": "1",
        "model_class": f"{Net.__module__}.Net",
        "total_params": "58",
        "trainable_params": "58",
        "loss_function": "cross_entropy",
        "batch_size": "16",
        "shuffle": "True",
        "sampler": "RandomSampler",
        "drop_last": "True",
        "num_workers": "0",
        "dataset": "TensorDataset",
        "dataset_size": "64",
        "steps_per_epoch": "4",
        "device": "cpu",
        "dtype": "float32",
    }
    assert wanted.items() <= params.items()
    assert "amp_dtype" not in params
    assert b"Linear(in_features=4" in recorder.artifacts(run)["model_summary.txt"]
    assert recorder.tags(run)["mlflow.autologging"] == "torch"
    assert recorder.status(run) == "FINISHED"


def test_a_gan_is_one_run_with_a_curve_for_each_optimizer(recorder, autolog):
    generator, discriminator = Generator(), Discriminator()
    steps_g = torch.optim.Adam(generator.parameters(), lr=0.1)
    steps_d = torch.optim.SGD(discriminator.parameters(), lr=0.2)
    criterion, real = nn.BCEWithLogitsLoss(), torch.randn(16, 2)
    ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)
    told_d, told_g = [], []
    for _ in range(6):
        noise = torch.randn(16, 4)
        steps_d.zero_grad()
        on_real = criterion(discriminator(real), ones)
        on_real.backward()
        on_fake = criterion(discriminator(generator(noise).detach()), zeros)
        on_fake.backward()
        steps_d.step()
        told_d.append(on_real.item() + on_fake.item())
        steps_g.zero_grad()
        loss = criterion(discriminator(generator(noise)), ones)
        loss.backward()
        steps_g.step()
        told_g.append(loss.item())
    del steps_d, steps_g
    gc.collect()
    run = recorder.run()
    assert values(recorder.history(run, "loss_Generator")) == pytest.approx(told_g)
    # of the first step, which was taken before it was known what D's gradients are, two losses are told as none
    assert recorder.history(run, "loss_Discriminator") == [
        (step, pytest.approx(told_d[step - 1])) for step in range(2, 7)
    ]
    params = recorder.params(run)
    assert params["optimizer_name_Generator"] == "Adam"
    assert params["optimizer_name_Discriminator"] == "SGD"
    assert params["lr_Discriminator"] == "0.2"
    assert recorder.metrics(run)["steps_Generator"] == 6
    assert recorder.status(run) == "FINISHED"


def test_a_gan_whose_gradients_are_set_to_zero_in_place(recorder, autolog):
    generator, discriminator = Generator(), Discriminator()
    steps_g = torch.optim.SGD(generator.parameters(), lr=0.1)
    steps_d = torch.optim.SGD(discriminator.parameters(), lr=0.1)
    told = []
    for _ in range(5):
        fake = generator(torch.randn(8, 4))
        steps_d.zero_grad(set_to_none=False)
        loss = discriminator(fake.detach()).square().mean()
        loss.backward()
        steps_d.step()
        told.append(loss.item())
        steps_g.zero_grad(set_to_none=False)
        (discriminator(fake) - 1).square().mean().backward()
        steps_g.step()
    assert values(recorder.history(recorder.run(), "loss_Discriminator")) == pytest.approx(told)


def test_several_critic_steps_for_one_of_the_generator(recorder, autolog):
    generator, critic = Generator(), Discriminator()
    steps_g = torch.optim.RMSprop(generator.parameters())
    steps_c = torch.optim.RMSprop(critic.parameters())
    for _ in range(4):
        for _ in range(5):
            steps_c.zero_grad()
            critic(generator(torch.randn(8, 4)).detach()).mean().backward()
            steps_c.step()
        steps_g.zero_grad()
        (-critic(generator(torch.randn(8, 4))).mean()).backward()
        steps_g.step()
    run = recorder.run()
    assert len(recorder.history(run, "loss")) == 20
    assert len(recorder.history(run, "loss_Generator")) == 4


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_gradients_give_the_loss_of_a_step_not_of_its_last_part(recorder, autolog, parts):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    told = []
    for _ in range(6):
        optimizer.zero_grad()
        total = 0.0
        for x, y in zip(*(each.chunk(parts) for each in data()), strict=True):
            loss = nn.functional.cross_entropy(model(x), y) / parts
            loss.backward()
            total += loss.item()
        optimizer.step()
        told.append(total)
    history = recorder.history(recorder.run(), "loss")
    assert [step for step, _ in history] == [2, 3, 4, 5, 6]
    assert values(history) == pytest.approx(told[1:])


def test_amp_with_a_scaler_tells_the_loss_as_it_was_before_scaling(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    x, y = data()
    told = []
    for step in range(6):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.cross_entropy(model(x), y)
        scaler.scale(loss * (float("inf") if step == 3 else 1.0)).backward()
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        if step != 3:
            told.append((loss.item(), norm.item()))
    run = recorder.run()
    assert values(recorder.history(run, "loss")) == pytest.approx([loss for loss, _ in told])
    assert values(recorder.history(run, "grad_norm")) == pytest.approx([norm for _, norm in told])
    assert recorder.metrics(run).get("steps", 5) == 5
    params = recorder.params(run)
    assert params["amp_dtype"] == "bfloat16"
    assert params["grad_scaler_init_scale"] == "1024.0"
    assert params["clip_grad_norm"] == "1.0"


def test_lbfgs_tells_the_loss_that_a_step_began_with(recorder, autolog):
    model = Net()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    x, y = data()
    told = []

    def closure():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for _ in range(5):
        told.append(optimizer.step(closure).item())
    history = recorder.history(recorder.run(), "loss")
    assert [step for step, _ in history] == [2, 3, 4, 5]
    assert values(history) == pytest.approx(told[1:])


def test_models_one_after_another_are_runs_one_after_another(recorder, autolog):
    losses = []
    for lr in (0.1, 0.2, 0.3):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        trained(model, optimizer, losses=losses)
    del optimizer
    gc.collect()
    runs = recorder.runs()
    assert [recorder.params(run)["lr"] for run in runs] == ["0.1", "0.2", "0.3"]
    assert [value for run in runs for value in values(recorder.history(run, "loss"))] == pytest.approx(losses)
    assert [recorder.status(run) for run in runs] == ["FINISHED"] * 3
    assert not any(run.parent for run in runs)


def test_models_that_are_all_made_first_and_trained_in_turn_by_pass(recorder, autolog):
    """Each pass over data ends before the next model's first step: it does not step in turn with the one before."""
    models = [Net(), Net()]
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    for model, optimizer in zip(models, optimizers, strict=True):
        for _ in range(2):
            for x, y in loader():
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(x), y).backward()
                optimizer.step()
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [8, 8]


def test_two_optimizers_of_one_loss_are_one_run(recorder, autolog):
    model = Net()
    first = torch.optim.SGD(model.layers[0].parameters(), lr=0.1)
    last = torch.optim.Adam(model.layers[2].parameters(), lr=0.2)
    x, y = data()
    for _ in range(4):
        first.zero_grad()
        last.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        first.step()
        last.step()
    run = recorder.run("Net")
    assert recorder.params(run)["optimizer_name_1"] == "SGD"
    assert recorder.params(run)["optimizer_name_2"] == "Adam"
    assert [step for step, _ in recorder.history(run, "loss_1")] == [1, 2, 3, 4]


def test_in_a_users_run_a_loop_is_told_there(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for name in ("mine", "mine again"):
        run = Run.start(name, by_user=True)
        with entered(run):
            trained(model, optimizer)
        run.end()
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [5, 5]
    assert [recorder.metrics(run)["steps"] for run in recorder.runs()] == [5, 5]


def test_of_two_loops_in_a_users_run_the_second_one_has_a_child(recorder, autolog):
    """W-02: what the second training says must not stand beside the first one's params."""
    mine = Run.start("mine", by_user=True)
    with entered(mine):
        for lr in (0.1, 0.2):
            model = Net()
            optimizer = torch.optim.SGD(model.parameters(), lr=lr)
            trained(model, optimizer)
    mine.end()
    del optimizer
    gc.collect()
    first, second = recorder.runs()
    assert second.parent == first.run
    assert [recorder.params(run)["lr"] for run in (first, second)] == ["0.1", "0.2"]
    assert [len(recorder.history(run, "loss")) for run in (first, second)] == [5, 5]


@pytest.mark.parametrize("steps", [5, 113], ids=["at a step that is heard", "at one that is not"])
def test_an_error_in_backward_names_no_line_of_ours(recorder, autolog, steps):
    """W-36."""
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trained(model, optimizer, steps)
    with pytest.raises(RuntimeError) as raised:
        torch.zeros(1).backward()
    frames = [each.filename for each in traceback.extract_tb(raised.value.__traceback__)]
    assert not [each for each in frames if "fitscribe" in each and "integration/" not in each]


def test_what_calls_backward_for_other_ends_is_no_training(recorder, autolog):
    x = torch.randn(3, requires_grad=True)
    model = Net()
    for _ in range(5):
        x.square().sum().backward()
        model(torch.randn(2, 4)).sum().backward()
    assert recorder.runs() == []


def test_nothing_is_recorded_of_unwatched_loops(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with fitscribe.unwatched():
        trained(model, optimizer)
    assert recorder.runs() == []


def test_long_loops_are_told_every_tenth_step(recorder, autolog):
    model, losses = nn.Linear(4, 2), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trained(model, optimizer, 123, losses)
    del optimizer
    gc.collect()
    run = recorder.run()
    history = recorder.history(run, "loss")
    assert [step for step, _ in history] == [*range(1, 101), 110, 120]
    assert values(history) == pytest.approx([losses[step - 1] for step, _ in history])
    assert recorder.metrics(run)["steps"] == 123


def test_a_loop_after_a_long_one_that_is_still_held_is_a_run_of_its_own(recorder, autolog):
    first, second = (torch.optim.SGD(nn.Linear(4, 2).parameters(), lr=lr) for lr in (0.1, 0.2))
    for optimizer in (first, second):
        model = nn.Linear(4, 2)
        optimizer.param_groups[0]["params"] = list(model.parameters())
        trained(model, optimizer, 113)
    runs = recorder.runs()
    assert [recorder.params(run)["lr"] for run in runs] == ["0.1", "0.2"]
    steps = [step for step, _ in recorder.history(runs[1], "loss")]
    assert steps == [*range(2, 101), 110]  # nobody listened at its first step
    assert [recorder.status(run) for run in runs] == ["FINISHED", "RUNNING"]


@pytest.mark.parametrize("where", ["backward", "step"])
def test_a_loop_that_breaks_off_where_we_see_it_has_failed_though_its_error_is_caught(recorder, autolog, where):
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise ArithmeticError("mine")

    class Failing(torch.optim.SGD):
        def step(self, closure=None):
            if self.fails:
                raise ArithmeticError("mine")
            return super().step(closure)

    def train():
        model = Net()
        optimizer = Failing(model.parameters(), lr=0.1)
        optimizer.fails = False
        trained(model, optimizer)
        optimizer.fails = True
        Bad.apply(model(data()[0])).sum().backward() if where == "backward" else trained(model, optimizer)

    with pytest.raises(ArithmeticError, match="mine"):
        train()
    gc.collect()
    run = recorder.run()
    assert recorder.status(run) == "FAILED"
    assert recorder.metrics(run)["steps"] == 5


def test_an_error_that_a_loop_gets_over_is_no_failure(recorder, autolog):
    def train():
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        trained(model, optimizer)
        with pytest.raises(RuntimeError):
            torch.zeros(1).backward()
        trained(model, optimizer)

    train()
    gc.collect()
    assert recorder.status(recorder.run()) == "FINISHED"


def test_what_the_user_logs_in_a_loop_goes_to_its_run(recorder, autolog):
    def train(lr):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for epoch in range(3):
            trained(model, optimizer, 4)
            fitscribe.log_metric("accuracy", lr, step=epoch)
        fitscribe.log_params({"device": "mine", "note": lr})

    train(0.1)
    gc.collect()
    fitscribe.log_metric("test_accuracy", 0.5)  # its loop is over
    train(0.2)
    gc.collect()
    runs = recorder.runs()
    assert [recorder.history(run, "accuracy") for run in runs] == [
        [(0, 0.1), (1, 0.1), (2, 0.1)],
        [(0, 0.2), (1, 0.2), (2, 0.2)],
    ]
    assert ["test_accuracy" in recorder.metrics(run) for run in runs] == [True, False]
    assert [recorder.params(run)["note"] for run in runs] == ["0.1", "0.2"]
    assert recorder.tags(runs[0])["fitscribe.drift.device"] == "mine"
    assert [recorder.status(run) for run in runs] == ["FINISHED", "FINISHED"]


def test_steps_are_told_as_often_as_asked_for(recorder, autolog):
    autolog(log_every_n_step=7, log_gradient_norm=True)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trained(model, optimizer, 30)
    run = recorder.run()
    assert [step for step, _ in recorder.history(run, "loss")][1:] == [7, 14, 21, 28]
    assert [step for step, _ in recorder.history(run, "grad_norm")] == [7, 14, 21, 28]


def test_groups_that_differ_are_told_apart(recorder, autolog):
    model = Net()
    first, _, last = model.layers
    groups = [{"params": first.parameters()}, {"params": last.parameters(), "lr": 0.5}]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)
    trained(model, optimizer)
    run = recorder.run()
    params = recorder.params(run)
    assert (params["param_groups"], params["lr"], params["group_1_lr"]) == ("2", "0.1", "0.5")
    assert "group_1_momentum" not in params
    assert recorder.metrics(run)["learning_rate_group_1"] == 0.5


def test_training_goes_on_after_an_early_break(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train = loader()
    for epoch in range(3):
        for batch, (x, y) in enumerate(train):
            if epoch == 1 and batch == 2:
                break
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    del optimizer
    gc.collect()
    run = recorder.run()
    assert (recorder.metrics(run)["epochs"], recorder.metrics(run)["steps"]) == (3, 10)


def test_an_evaluation_within_an_epoch_is_no_epoch(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    validation = loader(128)
    for x, y in loader():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            for batch, _ in validation:
                model(batch)
    del optimizer
    gc.collect()
    run = recorder.run()
    assert recorder.metrics(run)["epochs"] == 1
    assert recorder.params(run)["dataset_size"] == "64"


def test_a_batch_fetched_anew_for_each_step_makes_no_epochs(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train = loader()
    for _ in range(6):
        x, y = next(iter(train))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert "epoch" not in recorder.metrics(recorder.run())
    assert "epoch_time" not in recorder.metrics(recorder.run())


def test_a_step_that_fails_fails_as_before_and_training_may_go_on(recorder, autolog):
    class Failing(torch.optim.SGD):
        fails = True

        def step(self, closure=None):
            if self.fails:
                raise ArithmeticError("mine")
            return super().step(closure)

    model = Net()
    optimizer = Failing(model.parameters(), lr=0.1)
    with pytest.raises(ArithmeticError, match="mine") as raised:
        trained(model, optimizer)
    assert raised.value.__context__ is None
    optimizer.fails = False
    trained(model, optimizer, 4)
    assert len(recorder.history(recorder.run(), "loss")) == 4


def test_a_loss_that_is_no_number_any_more_is_told_as_such(recorder, autolog):
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=float("inf"))
    trained(model, optimizer, 3)
    assert values(recorder.history(recorder.run(), "loss"))[-1] != values(recorder.history(recorder.run(), "loss"))[0]


def test_results_are_those_without_us(recorder, autolog):
    def weights():
        torch.manual_seed(3)
        model = Net()
        trained(model, torch.optim.Adam(model.parameters()), 20)
        return [each.detach().clone() for each in model.parameters()]

    with_us = weights()
    with fitscribe.unwatched():
        without = weights()
    assert all(torch.equal(*pair) for pair in zip(with_us, without, strict=True))


def test_nothing_of_ours_is_kept_alive_or_kept_on_what_is_trained(recorder, autolog, tmp_path):
    import copy
    import pickle
    import weakref

    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    before = set(vars(model)), set(vars(optimizer))
    trained(model, optimizer)
    assert (set(vars(model)), set(vars(optimizer))) == before
    assert b"fitscribe" not in pickle.dumps((model.state_dict(), optimizer.state_dict(), optimizer))
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "checkpoint.pt")
    torch.load(tmp_path / "checkpoint.pt")
    copy.deepcopy(model)
    known = weakref.ref(model), weakref.ref(optimizer)
    del model, optimizer
    assert [each() for each in known] == [None, None]
