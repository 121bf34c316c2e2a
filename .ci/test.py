"""Install what the tests need into an environment of its own, and pass all of them.

python .ci/test.py            everything: style, types, hermetic tests, the real frameworks and servers
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
PYTHON = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

QUICK = [
    ["-m", "ruff", "check", "."],
    ["-m", "ruff", "format", "--check", "."],
    ["-m", "mypy"],
    ["-m", "pytest", "tests", "-q"],
]
REAL = [["-m", "pytest", "integration", "-q", "--durations=15"]]
SHORT = [
    ["-m", "pytest", "-q", "integration/sklearn/test_training.py", "integration/sklearn/test_search.py",
     "integration/sklearn/test_every_estimator.py", "integration/test_examples.py", "integration/test_processes.py"]
]  # fmt: skip


def step(*command: object) -> None:
    print("$ python", *command, flush=True)
    began = time.perf_counter()
    done = subprocess.run([PYTHON, *map(str, command)], cwd=ROOT, check=False)
    print(f"  {time.perf_counter() - began:.0f} s", flush=True)
    if done.returncode:
        sys.exit(done.returncode)


def main() -> None:
    if not PYTHON.exists():
        print(f"making {HOME.name} with Python {sys.version.split()[0]}", flush=True)
        venv.create(HOME, with_pip=True)
    step("-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", "constraints.txt", "-e", ".[integration]")
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    for command in {"quick": QUICK, "short": [*QUICK, *SHORT]}.get(asked, [*QUICK, *REAL]):
        step(*command)


if __name__ == "__main__":
    main()
