"""What autologging recorded of Keras models, loaded from our store's files by the real MLflow, on every backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("recorded.py")

for package in ("keras", "mlflow"):
    pytest.importorskip(package, reason="the frameworks are installed where everything is tested")


def played(part, folder, backend):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "FITSCRIBE_"))}
    told = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-W", "ignore", str(SCRIPT), part, str(folder)]
    done = subprocess.run(
        command, cwd=folder, env={**kept, **told}, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_mlflow_loads_what_autologging_recorded(backend, tmp_path):
    assert played("write", tmp_path, backend) == ""  # nothing of ours stands on the screen
    played("read", tmp_path, backend)
    assert len(json.loads((tmp_path / "read.json").read_text())) == 9
