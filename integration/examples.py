"""Runs an example in a process of its own, against any endpoint and under fitscribe or MLflow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
# TensorFlow tells what its C++ part does, whatever Python's filters say.
OF_TENSORFLOW = r"^(WARNING: All log messages before absl|[IW]0000 |To enable the following instructions).*\n"
NAMES = sorted(each.stem for each in EXAMPLES.glob("*.py"))


def run(name: str, folder: Path, uri: str = "", tracker: str = "fitscribe", **environment: str) -> str:
    """Run an example in a folder and return what it printed; with tracker="mlflow" its import line is changed."""
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    if tracker != "fitscribe":
        source, changed = re.subn(r"^import fitscribe$", f"import {tracker} as fitscribe", source, flags=re.M)
        assert changed == 1
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / f"{name}.py"
    script.write_text(source, encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FITSCRIBE_", "MLFLOW_"))}
    if uri:
        kept["MLFLOW_TRACKING_URI"] = uri
    done = subprocess.run(
        [sys.executable, "-W", "ignore", script.name],
        cwd=folder,
        env={**kept, "COLUMNS": "160", "DO_NOT_TRACK": "true", "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{name} failed:\n{done.stdout}\n{done.stderr}"
    if tracker == "fitscribe":
        assert re.sub(OF_TENSORFLOW, "", done.stderr, flags=re.M) == "", done.stderr
    return done.stdout
