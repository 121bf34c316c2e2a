"""Others on top of PyTorch: compilers, launchers, Accelerate, and frameworks with integrations of their own."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from importlib.util import find_spec

import pytest
import torch
from torch import nn

import fitscribe
from fitscribe.client import Client
from integration.launching import unless_aborted

here = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))


def small():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def compiled_step(model, optimizer):
    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return torch.compile(step, backend="eager")


def counted(whole):
    """Train a compiled model, or a compiled step, and return what the compiler counted."""
    import torch._dynamo as dynamo

    dynamo.reset()
    dynamo.utils.counters.clear()
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    if whole:
        step = compiled_step(model, optimizer)
        for _ in range(4):
            step(here)
    else:
        fast = torch.compile(model, backend="eager")
        for _ in range(4):
            optimizer.zero_grad()
            fast(here).square().mean().backward()
            optimizer.step()
    counters = dynamo.utils.counters
    return dict(counters["stats"]), sum(counters["graph_break"].values())


@pytest.mark.filterwarnings("ignore")  # the compiler's own
@pytest.mark.parametrize("whole", [False, True], ids=["the model", "the whole step"])
def test_what_is_compiled_has_the_same_graphs_and_breaks(recorder, autolog, whole):
    with_us = counted(whole)
    fitscribe.autolog(disable=True)
    without = counted(whole)
    assert with_us == without
    if not whole:
        assert recorder.params(recorder.run())["torch_compile"] == "True"
        assert len(recorder.history(recorder.run(), "loss")) == 4


def test_threads_that_train_at_the_same_time_have_runs_of_their_own(recorder, autolog):
    """W-01: most of such runs were empty."""
    barrier = threading.Barrier(2)

    def train(lr):
        model = small()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for _ in range(6):
            barrier.wait(20)
            optimizer.zero_grad()
            model(here).square().mean().backward()
            optimizer.step()

    threads = [threading.Thread(target=train, args=(lr,)) for lr in (0.1, 0.2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(recorder.params(run)["lr"] for run in recorder.runs()) == ["0.1", "0.2"]
    assert [len(recorder.history(run, "loss")) for run in recorder.runs()] == [6, 6]


@pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed here")
def test_a_keras_fit_on_torch_is_told_by_keras_alone(tmp_path):
    code = """
import fitscribe
fitscribe.autolog(log_models=False)
import keras, numpy
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(numpy.ones((64, 4), "float32"), numpy.ones(64), epochs=3, verbose=0)
"""
    runs = ran(code, tmp_path, KERAS_BACKEND="torch")
    assert [run.data.tags["mlflow.autologging"] for run in runs] == ["keras"]


def test_a_lightning_fit_is_told_by_lightning_alone(tmp_path):
    code = """
import fitscribe
fitscribe.autolog(log_models=False)
import torch, lightning
class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)
    def training_step(self, batch, _):
        loss = self.layer(batch[0]).square().mean()
        self.log("train_loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(32, 4)), batch_size=8)
quiet = dict(enable_progress_bar=False, enable_model_summary=False, logger=False, enable_checkpointing=False)
lightning.Trainer(max_epochs=2, **quiet).fit(Module(), data)
"""
    runs = ran(code, tmp_path)
    assert "torch" not in [run.data.tags["mlflow.autologging"] for run in runs]


def test_of_two_processes_under_torchrun_rank_zero_records(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("""
import fitscribe
fitscribe.autolog()
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
dist.init_process_group("gloo")
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(5):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
dist.destroy_process_group()
""")
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", str(script)]
    [run] = unless_aborted(lambda folder: ran(launcher, folder, OMP_NUM_THREADS="1"), tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["steps"] == 5
    wanted = {"model_wrapper": "DistributedDataParallel", "world_size": "2", "backend": "gloo"}
    assert wanted.items() <= run.data.params.items()


SHARDED = ["FullyShardedDataParallel"]
if tuple(map(int, torch.__version__.split(".")[:2])) >= (2, 7):  # before, fully_shard was for GPUs alone
    SHARDED.append("FSDPModule")


@pytest.mark.parametrize("kind", SHARDED)
def test_of_a_sharded_model_one_run_tells_the_whole(tmp_path, kind):
    script = tmp_path / "train.py"
    script.write_text("""
import fitscribe
fitscribe.pytorch.autolog(log_gradient_norm=True)
import sys, torch, torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel
dist.init_process_group("gloo")
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 1))
if sys.argv[1] == "FSDPModule":
    from torch.distributed.fsdp import fully_shard
    fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
else:
    model = FullyShardedDataParallel(model, device_id=torch.device("cpu"))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with fitscribe.pytorch.watch(model, optimizer, log_models=True):
    for _ in range(5):
        optimizer.zero_grad()
        model(torch.randn(8, 4)).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
dist.destroy_process_group()
""")
    launcher = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", str(script), kind]
    [run] = unless_aborted(lambda folder: ran(launcher, folder, OMP_NUM_THREADS="1"), tmp_path)
    assert (run.info.status, run.data.metrics["steps"]) == ("FINISHED", 5)
    wanted = {"total_params": "49", "model_class": "torch.nn.modules.container.Sequential", "model_wrapper": kind}
    assert wanted.items() <= run.data.params.items()
    assert "each rank has a part" in run.data.tags["fitscribe.model"]


def test_a_script_with_torch_alone_is_recorded_and_fails_as_it_does(tmp_path):
    """W-56: `mlflow.autolog()` never looks at a script that imports torch alone."""
    code = """
import fitscribe
fitscribe.autolog()
import sys, torch
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(5):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).square().mean().backward()
    optimizer.step()
    assert not {"lightning", "tensorboard"} & set(sys.modules)
    if step == 3:
        raise ArithmeticError("mine")
"""
    [run] = ran(code, tmp_path, fails=True)
    assert run.info.status == "FAILED"
    assert run.data.metrics["steps"] == 4


@pytest.mark.skipif(find_spec("accelerate") is None, reason="Accelerate is not installed here")
def test_accelerate_with_accumulation_is_one_run(recorder, autolog):
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(here), batch_size=4)
    model = small()
    model, optimizer, data = accelerator.prepare(model, torch.optim.AdamW(model.parameters()), data)
    told = []
    for _ in range(2):
        for (x,) in data:
            with accelerator.accumulate(model):
                loss = model(x).square().mean()
                accelerator.backward(loss)
                told.append(loss.item())
                optimizer.step()
                optimizer.zero_grad()
    run = recorder.run()
    means = [(one + other) / 2 for one, other in zip(told[::2], told[1::2], strict=True)]
    assert [value for _, value in recorder.history(run, "loss")] == pytest.approx(means[1:])
    assert recorder.params(run)["batch_size"] == "4"
    gc.collect()


def ran(what, folder, *, fails=False, **environment):
    """Run a script, or a command of Python, and return the runs that it left, of an embedded store."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FITSCRIBE_", "MLFLOW_"))}
    command = [sys.executable, *(["-c", what] if isinstance(what, str) else what)]
    done = subprocess.run(
        command, check=False, cwd=folder, env={**kept, **environment}, capture_output=True, text=True, timeout=300
    )
    assert bool(done.returncode) == fails, done.stderr
    assert "training goes on without it" not in done.stderr
    client = Client(folder / ".fitscribe")
    return client.search_runs([each.experiment_id for each in client.search_experiments()])
