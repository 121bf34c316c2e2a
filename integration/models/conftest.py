"""A clean process with the real MLflow, for the tests of models and datasets."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

READER = Path(__file__).with_name("mlflow_reader.py")


@pytest.fixture(scope="module")
def ask_mlflow(tmp_path_factory) -> Callable[[list[Any]], list[Any]]:
    """Let a process that knows nothing of fitscribe do jobs: (name of a function, arguments, keyword arguments)."""

    def ask(jobs: list[Any]) -> list[Any]:
        folder = tmp_path_factory.mktemp("mlflow")
        jobs_file, answers_file = folder / "jobs.pkl", folder / "answers.pkl"
        jobs_file.write_bytes(pickle.dumps(jobs))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHONPATH"))}
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
        command = [sys.executable, str(READER), str(jobs_file), str(answers_file)]
        done = subprocess.run(
            command, cwd=folder, env=kept | quiet, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return pickle.loads(answers_file.read_bytes())

    return ask
