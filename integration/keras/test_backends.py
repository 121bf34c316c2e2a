"""The same cases on every backend of Keras: a backend is for the life of a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("cases")
BACKENDS = ("tensorflow", "jax", "torch")


@pytest.mark.parametrize("backend", BACKENDS)
def test_everything_is_recorded_on(backend):
    told = {"KERAS_BACKEND": backend, "FITSCRIBE_TEST_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-m", "pytest", str(CASES), "-q", "-p", "no:cacheprovider", "--durations=5"]
    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, **told},
        cwd=CASES.parent.parent.parent,
        capture_output=True,
        text=True,
        timeout=900,
    )
    print(done.stdout[-6000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
