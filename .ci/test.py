"""Install what the tests need into an environment of its own, and pass all of them.

python .ci/test.py            everything: style, types, hermetic tests, the real frameworks and servers, and on Python
                              3.11 a short subset once more with the oldest versions (integration/oldest.txt)
python .ci/test.py quick      style, types and the hermetic tests alone
python .ci/test.py short      these, and the integration tests that depend on Python's version more than on a server
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / f".venv-{sys.version_info.major}.{sys.version_info.minor}"
BIN = "Scripts/python.exe" if os.name == "nt" else "bin/python"
PYTHON = HOME / BIN

# a process for each core; the tests of one file stay together, for they share servers
PARALLEL = ["-q", "-n", "auto", "--dist", "loadfile"]
QUICK = [
    ["-m", "ruff", "check", "."],
    ["-m", "ruff", "format", "--check", "."],
    ["-m", "mypy"],
    ["-m", "pytest", "tests", *PARALLEL],
]
REAL = [["-m", "integration.other_servers"], ["-m", "pytest", "integration", *PARALLEL, "--durations=25"]]
SHORT = [
    ["-m", "pytest", *PARALLEL, "integration/sklearn/test_versions.py", "integration/sklearn/test_training.py",
     "integration/sklearn/test_search.py",
     "integration/sklearn/test_every_estimator.py", "integration/test_examples.py", "integration/test_processes.py",
     "integration/catboost", "integration/lightgbm", "integration/optuna", "integration/statsmodels/test_fits.py",
     "integration/xgboost/test_rounds.py"]
]  # fmt: skip
OLDEST = ROOT / ".venv-oldest"
AGED = [
    ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-e", ".", "-r", "integration/oldest.txt"],
    ["-m", "pytest", "-q", "-W", "ignore:The distutils package is deprecated", "-W", "ignore:numpy.ufunc size changed",
     "integration/sklearn/test_versions.py", "integration/sklearn/test_training.py",
     "integration/sklearn/test_every_estimator.py", "integration/catboost", "integration/lightgbm",
     "integration/optuna", "integration/xgboost/test_rounds.py"],
]  # fmt: skip


def step(*command: object, python: Path = PYTHON) -> None:
    """Do it, or end with its status; tests that fail are tried once more, alone: the machine may be overloaded."""
    status = done(*command, python=python)
    if status == 1 and "pytest" in command:
        print("what failed, once more and alone:", flush=True)
        again = [each for each in command if each not in PARALLEL]
        status = done(*again, "-q", "--last-failed", "--last-failed-no-failures=none", python=python)
        if not status:
            print("these tests passed only when alone: each has a mistake that is to be mended", flush=True)
    if status:
        sys.exit(status)


def done(*command: object, python: Path) -> int:
    print("$ python" if python == PYTHON else f"$ {python.relative_to(ROOT)}", *command, flush=True)
    began = time.perf_counter()
    status = subprocess.run([python, *map(str, command)], cwd=ROOT, check=False).returncode
    print(f"  {time.perf_counter() - began:.0f} s", flush=True)
    return status


def oldest() -> None:
    """Pass a short subset with the oldest versions that are supported, which have wheels for Python 3.11 alone."""
    if sys.version_info[:2] != (3, 11):
        print("the oldest versions are for Python 3.11; left out", flush=True)
        return
    if not (OLDEST / BIN).exists():
        print(f"making {OLDEST.name}", flush=True)
        venv.create(OLDEST, with_pip=True)
    for command in AGED:
        step(*command, python=OLDEST / BIN)


def main() -> None:
    if not PYTHON.exists():
        print(f"making {HOME.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(HOME, with_pip=True)
    install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", "constraints.txt"]
    step(*install, "-e", ".[integration]")
    if sys.version_info[:2] == (3, 11):  # where TensorFlow is; as tensorflow-cpu, which tf_keras does not ask for
        step(*install, "--no-deps", "tf_keras")
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    for command in {"quick": QUICK, "short": [*QUICK, *SHORT]}.get(asked, [*QUICK, *REAL]):
        step(*command)
    if asked not in ("quick", "short"):
        oldest()


if __name__ == "__main__":
    main()
