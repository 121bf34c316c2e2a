"""Every flavor, written by fitscribe and by real MLflow (newest and 2.x), and loaded by each, natively and by pyfunc.

Each side is a process of its own, MLflow's without fitscribe; one for each framework, which is slow to import.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from integration.other_servers import installed

SCRIPT = Path(__file__).with_name("matrix.py")
SIDES = ["fitscribe", "mlflow", "mlflow-2"]
FRAMEWORKS = {
    "scikit-learn": ["sklearn", "pyfunc"],
    "torch": ["pytorch", "pytorch-pt2", "pytorch-script", "lightning"],
    "tensorflow": [
        "keras",
        "keras-exported",
        "keras-lambda",
        "keras-named",
        "tensorflow",
        "tensorflow-custom",
        "tensorflow-module",
    ],
}
BARE = {
    "sklearn",
    "pyfunc",
    "pytorch",
    "keras",
    "tensorflow",
    "tensorflow-module",
}  # also without example and signature
NEW = {"pytorch-pt2"}  # that MLflow 2 does not know
CASES = [name for names in FRAMEWORKS.values() for name in names]
TRIPS = [
    (name, signed, writer, loader)
    for name in CASES
    for signed in ((True, False) if name in BARE else (True,))
    for writer in SIDES
    for loader in SIDES
    if name not in NEW or "mlflow-2" not in (writer, loader)
]
RUNS_CODE = set(CASES) - {"keras", "keras-named", "tensorflow"}
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}

for framework in ("torch", "lightning", "keras", "tensorflow"):
    pytest.importorskip(framework, reason="the frameworks are installed where everything is tested")


class Side:
    """One library in processes of its own."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder

    def ask(self, jobs, label):
        jobs_file, answers_file = self.folder / f"{label}-jobs", self.folder / f"{label}-answers"
        jobs_file.write_bytes(pickle.dumps(jobs))
        library, python, more = "fitscribe" if self.name == "fitscribe" else "mlflow", sys.executable, []
        if self.name == "mlflow-2":  # the frameworks are those of this environment, all else its own
            python, more = str(installed("mlflow-2") / "python"), [sysconfig.get_paths()["purelib"]]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHONPATH"))}
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "FITSCRIBE_MODEL_KEY": "k" * 40}
        done = subprocess.run(
            [python, str(SCRIPT), library, str(jobs_file), str(answers_file), *more],
            cwd=self.folder,
            env=kept | quiet,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{self.name} {label}\n{done.stderr[-3000:]}"
        return pickle.loads(answers_file.read_bytes())


class Trips:
    """What the writers wrote and answered, and the loaders, for all models of a framework."""

    def __init__(self, framework, top):
        self.top, self.names = top, FRAMEWORKS[framework]
        self.sides = [Side(name, top / name) for name in SIDES]
        for side in self.sides:
            side.folder.mkdir()
        with ThreadPoolExecutor(2) as two:
            self.written = {key: one for each in two.map(self._written, self.sides) for key, one in each.items()}
            self.answers = {key: one for each in two.map(self._loaded, self.sides) for key, one in each.items()}

    def folder(self, name, signed, writer):
        return self.top / f"{name}-{words(signed)}-{writer}"

    def _written(self, side):
        wanted = sorted({trip[:2] for trip in TRIPS if trip[0] in self.names and trip[2] == side.name})
        jobs = [("write", (name, self.folder(name, signed, side.name), signed)) for name, signed in wanted]
        return {(*one, side.name): answer for one, answer in zip(wanted, side.ask(jobs, "write"), strict=True)}

    def _loaded(self, side):
        wanted = [trip for trip in TRIPS if trip[0] in self.names and trip[3] == side.name]
        jobs = []
        for name, signed, writer, _ in wanted:
            jobs.append(("use", (name, self.folder(name, signed, writer), writer != "fitscribe" or None)))
        if side.name == "fitscribe":
            wanted += self.names
            jobs += [("refused", (name, self.folder(name, True, "mlflow"))) for name in self.names]
        return dict(zip(wanted, side.ask(jobs, "load"), strict=True))


@pytest.fixture(scope="module")
def trips(tmp_path_factory):
    """Give the trips of the framework that a model is of; they are made when the first test asks."""
    installed("mlflow-2")

    @cache
    def made(framework):
        return Trips(framework, tmp_path_factory.mktemp(framework))

    return lambda name: made(next(one for one, names in FRAMEWORKS.items() if name in names))


def words(value):
    return value if isinstance(value, str) else "signed" if value else "bare"


def told(answer):
    assert not (isinstance(answer, str) and answer.startswith("RAISED")), answer
    return answer


@pytest.mark.parametrize("trip", TRIPS, ids=lambda trip: "-".join(map(words, trip)))
def test_model_answers_as_it_did_where_it_was_written(trips, trip):
    of = trips(trip[0])
    expected, found = told(of.written[trip[:3]]), told(of.answers[trip])
    if trip[0] != "pyfunc":
        np.testing.assert_allclose(found["native"], expected, **TOLERANCE)
    for kind in found.keys() & {"array", "arrays"}:
        assert found[kind][0] == "ndarray", found[kind]
        np.testing.assert_allclose(found[kind][1], expected, **TOLERANCE)


@pytest.mark.parametrize(
    "trip", [trip for trip in TRIPS if trip[3] == "fitscribe"], ids=lambda trip: "-".join(map(words, trip))
)
def test_pyfunc_answers_in_the_types_that_mlflow_answers_in(trips, trip):
    answers = trips(trip[0]).answers
    if (*trip[:3], "mlflow") not in answers:
        return
    ours, theirs = told(answers[trip]), told(answers[(*trip[:3], "mlflow")])
    for kind in theirs.keys() - {"native"}:
        if theirs[kind][0] == "error":
            continue  # what MLflow refuses may work here
        assert ours[kind][0] == theirs[kind][0], (kind, ours[kind], theirs[kind])
        np.testing.assert_allclose(ours[kind][1], theirs[kind][1], **TOLERANCE)
        assert ours[kind][2] == theirs[kind][2]


@pytest.mark.parametrize("name", CASES)
def test_what_mlflow_wrote_needs_trust_if_it_runs_code(trips, name):
    error = told(trips(name).answers[name])
    if name in RUNS_CODE:
        assert error is not None
        assert error.startswith("UntrustedModel: ")
        assert "trust=True" in error
    else:
        assert error is None


@pytest.mark.parametrize("name", [name for name in CASES if name != "pyfunc"])
def test_mlmodel_says_what_mlflow_would_have_said(trips, name):
    of = trips(name)
    folders = [of.folder(name, True, writer) for writer in ("fitscribe", "mlflow")]
    ours, theirs = (yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8")) for folder in folders)
    assert ours["flavors"] == theirs["flavors"]
    for part in ("inputs", "outputs"):
        assert json.loads(ours["signature"][part]) == json.loads(theirs["signature"][part])
    files = [
        {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} for folder in folders
    ]
    assert files[0] == files[1]
