"""Whole scripts: several devices of one process are one run and one model; one that fails has told all."""

from __future__ import annotations

import subprocess
import sys

from fitscribe.testing.endpoint import Endpoint
from integration.tensorflow.processes import environment, models_of, runs_by_name

MIRRORED = """
import fitscribe
fitscribe.autolog()
import numpy, tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
x = numpy.random.default_rng(0).normal(size=(64, 4)).astype("float32")
with strategy.scope():
    layers = [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(2), tf.keras.layers.BatchNormalization()]
    model = tf.keras.Sequential(layers)
    model.compile("sgd", "mse")
model.fit(x, x[:, :2], epochs=2, batch_size=16, verbose=0)

writer = tf.summary.create_file_writer("loop")
weight = tf.Variable(1.0)

@tf.function
def step(number):
    def replica(value):
        tf.summary.write("inside", value, step=number)
        return value * 2.0
    return strategy.run(replica, args=(tf.cast(number, tf.float32),))

with writer.as_default():
    for number in range(3):
        step(tf.constant(number, tf.int64))
writer.close()
"""


def test_two_mirrored_devices_are_one_run_and_one_model(tmp_path):
    with Endpoint() as endpoint:
        command = [sys.executable, "-c", MIRRORED]
        told = environment(endpoint.uri)
        done = subprocess.run(command, env=told, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, done.stderr[-3000:]
        assert "Traceback" not in done.stderr
    runs = runs_by_name(endpoint)
    assert sorted(runs) == ["Sequential", "loop"]
    assert (runs["Sequential"].params["distribution"], runs["Sequential"].params["devices"]) == (
        "MirroredStrategy",
        "2",
    )
    assert runs["Sequential"].status == runs["loop"].status == "FINISHED"
    assert len(models_of(endpoint)) == 1
    assert [(step, float(value)) for value, _, step in runs["loop"].points["inside"]] == [(0, 0.0), (1, 1.0), (2, 2.0)]


OPEN = """
import fitscribe
fitscribe.autolog()
import tensorflow as tf
writer = tf.summary.create_file_writer("digits")

@tf.function
def train(step):
    tf.summary.scalar("loss", 1.0, step=step)

with writer.as_default():
    for step in range(5):
        train(tf.constant(step, tf.int64))
raise RuntimeError("mine")
"""


def test_a_loop_that_fails_with_its_writer_open_has_all_its_values(tmp_path):
    with Endpoint() as endpoint:
        command = [sys.executable, "-c", OPEN]
        done = subprocess.run(
            command,
            env=environment(endpoint.uri),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("RuntimeError: mine")
    run = runs_by_name(endpoint)["digits"]
    assert run.status == "FAILED"
    assert [step for _, _, step in run.points["loss"]] == [0, 1, 2, 3, 4]
