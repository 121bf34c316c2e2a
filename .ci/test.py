"""Install what the tests need into an environment of its own, and pass all of them.

python .ci/test.py            everything: style, types, hermetic tests, the real frameworks and servers
python .ci/test.py quick      style, types and the hermetic tests alone
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
    for command in QUICK if "quick" in sys.argv[1:] else [*QUICK, *REAL]:
        step(*command)


if __name__ == "__main__":
    main()
