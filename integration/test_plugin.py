"""A third party's packages, built and installed beside fitscribe's own wheel in a clean environment, simply work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from fitscribe.client import Client

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = ROOT / "examples" / "plugin"
SCRIPT = """
import sys
import fitscribe
fitscribe.autolog()
assert not {"fitscribe_tinyboost", "tinyboost", "numpy"} & set(sys.modules)
import tinyboost
X, y = [[float(n), float(n % 3)] for n in range(30)], [float(n) for n in range(30)]
tinyboost.train({"rate": 0.5}, X, y, rounds=4)
tinyboost.search({"rate": [0.1, 0.5]}, X, y, rounds=2)
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command that succeeds, with none of our settings; return what it said, on stdout and on stderr."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("FITSCRIBE_", "MLFLOW_", "PYTEST"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "COLUMNS": "160", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}"
    return done.stdout


class Installed:
    """A virtual environment with the wheels of fitscribe, of the example's package and of its framework."""

    def __init__(self, folder: Path) -> None:
        self.folder, builder = folder, folder / "builder"
        self.bin = folder / "env" / ("Scripts" if os.name == "nt" else "bin")
        self.builds = {"PYTHONPATH": str(builder)}  # one builder for all packages, where pip makes one for each
        self.pip("install", "--target", builder, "hatchling>=1.26", "editables")
        sources = [ROOT, PLUGIN, PLUGIN / "tinyboost"]
        self.pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder / "dist", *sources, **self.builds)
        venv.create(folder / "env", with_pip=False)
        self.into("install", "-c", ROOT / "constraints.txt", *sorted((folder / "dist").glob("*.whl")), "pytest")

    def pip(self, *words: object, **environment: str) -> None:
        options = ["-q", "--disable-pip-version-check"]
        run(sys.executable, "-m", "pip", *options, *words, cwd=self.folder, PIP_NO_COMPILE="1", **environment)

    def into(self, *words: object, **environment: str) -> None:
        self.pip("--python", self.folder / "env", *words, **environment)

    def python(self, *words: object, cwd: Path) -> str:
        return run(self.bin / "python", *words, cwd=cwd)

    def fitscribe(self, *words: object, cwd: Path) -> str:
        return run(self.bin / "fitscribe", *words, cwd=cwd)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_an_installed_package_records_its_framework_with_no_other_step(installed, tmp_path):
    said = installed.python("-W", "error", "-c", SCRIPT, cwd=tmp_path).splitlines()
    assert all("which is installed from file:" in line for line in said), said  # of the model's requirements
    client = Client(tmp_path / ".fitscribe")
    runs = {run.info.run_name: run for run in client.search_runs(["0"])}
    assert sorted(runs) == ["rounds=2, rate=0.1", "rounds=2, rate=0.5", "tinyboost", "tinyboost search"]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    assert runs["tinyboost"].data.params == {"rate": "0.5", "rounds": "4"}
    points = client.get_metric_history(runs["tinyboost"].info.run_id, "mse")
    assert [point.step for point in points] == [0, 1, 2, 3]
    assert runs["rounds=2, rate=0.1"].data.tags["mlflow.parentRunId"] == runs["tinyboost search"].info.run_id
    assert runs["tinyboost search"].data.params["best_rate"] == "0.5"
    paths = {each.path for each in client.list_artifacts(runs["tinyboost"].info.run_id)}
    assert paths >= {"importance.json", "model"}


def test_the_packages_own_tests_pass_where_it_is_installed(installed, tmp_path):
    shutil.copytree(PLUGIN / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PLUGIN / "pyproject.toml", tmp_path)
    assert "passed" in installed.python("-m", "pytest", "-q", cwd=tmp_path)


def test_the_command_line_names_an_installed_package(installed, tmp_path):
    [line] = [line for line in installed.fitscribe("integrations", cwd=tmp_path).splitlines() if "tinyboost" in line]
    assert "1.2.0" in line


def test_a_new_skeleton_passes_its_own_tests_and_ruff_as_it_is(installed, tmp_path):
    told = installed.fitscribe("new-integration", "nimbus", cwd=tmp_path)
    assert "cd fitscribe-nimbus" in told
    folder = tmp_path / "fitscribe-nimbus"
    run(sys.executable, "-m", "ruff", "check", ".", cwd=folder)
    run(sys.executable, "-m", "ruff", "format", "--check", ".", cwd=folder)
    installed.into("install", "--no-deps", "--no-build-isolation", "-e", folder, **installed.builds)
    assert "2 passed" in installed.python("-m", "pytest", "-q", cwd=folder)
    assert "nimbus" in installed.fitscribe("integrations", cwd=tmp_path)
    assert len((folder / "src" / "fitscribe_nimbus" / "__init__.py").read_text().splitlines()) < 60
