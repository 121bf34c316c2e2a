"""Keras's own distribution on JAX, over two devices of the host: one training, one run, one model."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fitscribe.client import Client

SCRIPT = """
import keras, numpy
import fitscribe

fitscribe.keras.autolog()
if "{kind}" == "DataParallel":
    distribution = keras.distribution.DataParallel()
else:
    devices = keras.distribution.DeviceMesh((1, 2), ["batch", "model"])
    layout = keras.distribution.LayoutMap(devices)
    layout["dense.*kernel"] = (None, "model")
    distribution = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
keras.distribution.set_distribution(distribution)
keras.utils.set_random_seed(0)
x = numpy.random.default_rng(0).normal(size=(64, 4)).astype("float32")
y = (x[:, 0] > 0).astype("int32")
schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 4, 0.5)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy")
model.fit(x, y, batch_size=16, epochs=3, validation_split=0.25, verbose=0)
model.evaluate(x, y, batch_size=16, verbose=0)
assert fitscribe.flush(120)
"""


@pytest.mark.parametrize(("kind", "mesh"), [("DataParallel", "(2,)"), ("ModelParallel", "(1, 2)")])
def test_a_training_over_two_devices_is_one_run_with_one_model(tmp_path, kind, mesh):
    told = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_TRACKING_URI": str(tmp_path / "store")}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT.replace("{kind}", kind)],
        cwd=tmp_path, env={**os.environ, **told}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fitscribe" not in done.stderr, "nothing of ours went wrong"
    client = Client(tmp_path / "store")
    [run] = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert run.info.status == "FINISHED"
    assert (run.data.params["distribution"], run.data.params["devices"]) == (kind, mesh)
    for key in ("loss", "val_loss"):
        assert [point.step for point in client.get_metric_history(run.info.run_id, key)] == [0, 1, 2]
    rates = [point.value for point in client.get_metric_history(run.info.run_id, "learning_rate")]
    assert rates == pytest.approx([0.1 * 0.5 ** (3 * epoch / 4) for epoch in (1, 2, 3)], rel=1e-4)
    assert "validation_loss" in run.data.metrics
    files = [each.path for each in client.list_artifacts(run.info.run_id, "model")]
    assert "model/MLmodel" in files
