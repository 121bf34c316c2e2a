"""Forked children beside a training: one run for each that trains, none for those that only load data; nothing hangs.

TensorFlow and PyTorch's own threads do not survive a fork: there, as without us, a child of a process that has trained
may train only where they have none.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fitscribe.client import Client

SCRIPT = """
import multiprocessing, sys
import keras, numpy
import fitscribe

order = sys.argv[1]
fitscribe.keras.autolog()
x = numpy.random.default_rng(0).normal(size=(64, 4)).astype("float32")
data = (x, x[:, :2])
if keras.backend.backend() == "torch":
    import torch

    torch.set_num_threads(1)

    class Rows(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, place):
            return x[place], x[place, :2]

    loader = torch.utils.data.DataLoader(Rows(), batch_size=8, num_workers=2, multiprocessing_context="fork")
    data = (loader,)


def fit(name, *given):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse", jit_compile=False)
    with fitscribe.start_run(run_name=name):
        model.fit(*given, epochs=3, verbose=0)


children = [multiprocessing.get_context("fork").Process(target=fit, args=("child", x, x[:, :2])) for _ in range(2)]
if order == "after":
    fit("parent", *data)
for child in children:
    child.start()
if order == "before":
    fit("parent", *data)
for child in children:
    child.join(120)
assert [child.exitcode for child in children] == [0, 0]
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize(("backend", "order"), [("tensorflow", "before"), ("torch", "after")])
def test_children_that_are_forked_make_a_run_each_and_loaders_none(tmp_path, backend, order):
    told = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_TRACKING_URI": str(tmp_path / "store")}
    told["FITSCRIBE_EXIT_TIMEOUT"] = "120"  # on a slow machine the models are written late
    python = [sys.executable, "-W", "ignore"]
    for command in (["-c", SCRIPT, order], ["-m", "fitscribe", "sync"]):  # a slow machine leaves something for later
        done = subprocess.run(
            python + command, cwd=tmp_path, env={**os.environ, **told},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    client = Client(tmp_path / "store")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert sorted(run.info.run_name for run in runs) == ["child", "child", "parent"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [0, 1, 2]
        assert "model/MLmodel" in [each.path for each in client.list_artifacts(run.info.run_id, "model")]
