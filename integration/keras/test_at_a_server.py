"""What a fit asks of a server: nothing of what it has just told."""

from __future__ import annotations

import os
import subprocess
import sys

from fitscribe.testing.endpoint import Endpoint

SCRIPT = """
import keras, numpy
import fitscribe

fitscribe.autolog()
x = numpy.zeros((32, 4), "float32")
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
model.compile("sgd", "mse", jit_compile=False)
model.fit(x, x[:, :2], epochs=3, validation_split=0.25, verbose=0)
"""


def test_a_model_has_the_metrics_of_its_last_epoch_and_no_history_is_asked_for(tmp_path):
    """W-29, W-49: MLflow downloads every history, and gives the model the values of its first epoch."""
    with Endpoint() as endpoint:
        told = {"KERAS_BACKEND": "torch", "MLFLOW_TRACKING_URI": endpoint.uri}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT], cwd=tmp_path, env={**os.environ, **told},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    [run] = endpoint.ledger.runs.values()
    assert [step for _, _, step in run.points["val_loss"]] == [0, 1, 2]
    assert not [path for path in endpoint.paths() if "get-history" in path]
    batches = [each.body for each in endpoint.requests if each.path.endswith("runs/log-batch")]
    points = [point for body in batches for point in body.get("metrics", ()) if point.get("model_id")]
    assert [int(point["step"]) for point in points if point["key"] == "val_loss"] == [2]
