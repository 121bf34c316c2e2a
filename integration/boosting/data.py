"""Small data that every library learns in a few rounds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import yaml

_random = np.random.default_rng(0)
X = pd.DataFrame(_random.random((240, 4)), columns=["a", "b", "width_cm", "grün"])
X["rooms"] = _random.integers(0, 4, 240)
y = (X["a"] + X["rooms"] / 4 > 0.8).astype(int)
NOISY = y ^ (_random.random(240) < 0.2)


def datasets(recorder, run) -> list[tuple[str, str]]:
    """Return context and name of a run's datasets."""
    return [(each.context, each.name) for each in records(recorder, run, "DatasetUsed")]


def charts(recorder, run) -> dict[str, object]:
    """Return the charts of a run by path."""
    return {each.path: each.chart for each in records(recorder, run, "Drawing")}


def records(recorder, run, kind) -> list[object]:
    recorder.runs()  # what is done in the background is done
    return [each for each in recorder.said if type(each).__name__ == kind and each.run == run.run]


def steps(recorder, run, key) -> list[int]:
    return [step for step, _ in recorder.history(run, key)]


def inputs(recorder, run) -> list[dict[str, object]]:
    """Return what the signature of a run's model takes; nothing where it has none."""
    content = yaml.safe_load(recorder.artifacts(run)["model/MLmodel"])
    return json.loads(content.get("signature", {}).get("inputs", "[]"))
