"""Several processes that train one model on MultiWorkerMirroredStrategy: one run, one model."""

from __future__ import annotations

import json
import subprocess
import sys

from fitscribe.testing.endpoint import Endpoint
from integration.tensorflow.processes import environment, free_ports, models_of, runs_by_name

TOGETHER = """
import json, os, sys
import fitscribe
fitscribe.autolog()
fitscribe.tensorflow.autolog(checkpoint=True, checkpoint_save_best_only=False)
import numpy, tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
assert strategy.num_replicas_in_sync == 2
x = numpy.random.default_rng(0).normal(size=(64, 4)).astype("float32")
with strategy.scope():
    layers = [tf.keras.layers.Input((4,)), tf.keras.layers.Dense(1), tf.keras.layers.BatchNormalization()]
    model = tf.keras.Sequential(layers)
    model.compile("sgd", "mse", metrics=["mae"])
data = tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(16).repeat()
model.fit(data, epochs=2, steps_per_epoch=4, verbose=0)
model.evaluate(data, steps=2, verbose=0)
with tf.summary.create_file_writer(sys.argv[1]).as_default():
    tf.summary.write("after", 1.0, step=0)
"""


def test_two_workers_are_one_run_and_one_model_and_the_second_asks_nobody(tmp_path):
    """The model is saved by the chief alone: neither waits for the other, and training goes on as it would."""
    ports = free_ports(2)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    with Endpoint() as chief, Endpoint() as other:
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", TOGETHER, f"folder{index}"],
                env=environment(
                    endpoint.uri,
                    TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
                    TF_USE_LEGACY_KERAS="1",  # Keras 3 does not train on this strategy
                ),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for index, endpoint in enumerate((chief, other))
        ]
        said = [worker.communicate(timeout=180)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0, 0], said[0][-3000:] + said[1][-3000:]
        assert "Traceback" not in said[0]
        assert other.requests == []
    runs = runs_by_name(chief)
    assert sorted(runs) == ["Sequential", "folder0"]
    assert runs["Sequential"].params["devices"] == "2"
    assert len(runs["Sequential"].points["mae"]) == 2
    assert len(runs["Sequential"].points["validation_mae"]) == 1
    assert len(models_of(chief)) == 1
    assert len([path for path in chief.paths() if path.endswith("checkpoint.keras")]) == 2
