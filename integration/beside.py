"""One script under MLflow and under fitscribe, in processes of their own, and the records of both, key by key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fitscribe.client import Client

__all__ = ["Record", "record", "unexplained"]

Record = dict[str, dict[str, Any]]

# MLflow's own client reads MLflow's own store: what is compared is what its users see
READ = """
import json, sys
from mlflow import MlflowClient

client = MlflowClient()

def files(run_id, path=None):
    for each in client.list_artifacts(run_id, path):
        yield from files(run_id, each.path) if each.is_dir else [each.path]

def told(run):
    histories = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    points = {key: [(each.step, each.value) for each in history] for key, history in histories.items()}
    artifacts = dict.fromkeys(files(run.info.run_id), "")
    return {"params": run.data.params, "metrics": points, "tags": run.data.tags, "artifacts": artifacts}

runs = client.search_runs([each.experiment_id for each in client.search_experiments()], order_by=["start_time"])
json.dump([told(run) for run in runs], open("record.json", "w"))
"""


def record(tracker: str, script: str, folder: Path, **environment: str) -> list[Record]:
    """Run a script, which finds the tracker's name as its first argument, and return its runs in order."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("FITSCRIBE_", "MLFLOW_"))}
    kept |= {"MLFLOW_DISABLE_TELEMETRY": "true", "TQDM_DISABLE": "1", **environment}
    if tracker == "mlflow":
        script += READ
        kept["MLFLOW_TRACKING_URI"] = f"sqlite:///{(folder / 'mlflow.db').as_posix()}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, tracker],
        cwd=folder, env=kept, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    if tracker == "mlflow":
        found: list[Record] = json.loads((folder / "record.json").read_text())
        return found
    client = Client(folder / ".fitscribe")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()], order_by=["start_time"])
    return [_told(client, run) for run in runs]


def _told(client: Any, run: Any) -> Record:
    points = {key: [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, key)]
              for key in run.data.metrics}  # fmt: skip
    artifacts = dict.fromkeys(_files(client, run.info.run_id), "")
    return {"params": run.data.params, "metrics": points, "tags": run.data.tags, "artifacts": artifacts}


def _files(client: Any, run_id: str, path: str | None = None) -> Any:
    for each in client.list_artifacts(run_id, path):
        yield from _files(client, run_id, each.path) if each.is_dir else [each.path]


def unexplained(
    theirs: Record,
    ours: Record,
    *,
    only_theirs: Mapping[str, Mapping[str, str]],
    only_ours: Mapping[str, Mapping[str, str]],
    other_value: Mapping[str, str],
) -> list[str]:
    """Return all differences for which no pattern has a reason."""
    found = []
    for kind in theirs:
        a, b = theirs[kind], ours[kind]
        found += [f"{kind} {key} is MLflow's alone" for key in a.keys() - b.keys() if not _any(only_theirs[kind], key)]
        found += [f"{kind} {key} is ours alone" for key in b.keys() - a.keys() if not _any(only_ours[kind], key)]
        found += [
            f"{kind} {key} is {a[key]!r} there and {b[key]!r} here"
            for key in a.keys() & b.keys()
            if not _same(a[key], b[key]) and not _any(other_value, f"{kind} {key}")
        ]
    return sorted(found)


def _any(patterns: Mapping[str, str], words: str) -> bool:
    return any(re.fullmatch(pattern, words) for pattern in patterns)


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, list):
        return bool(one == other)
    one, other = sorted(map(tuple, one)), sorted(map(tuple, other))
    steps, values = ([point[at] for point in one] for at in (0, 1))
    return steps == [step for step, _ in other] and values == pytest.approx([v for _, v in other], nan_ok=True)
