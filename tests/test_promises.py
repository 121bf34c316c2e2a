"""The repository checks its own promises: floors, wings, names, doors, documents."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fitscribe
from fitscribe import discovery

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src" / "fitscribe"

# An import goes down, or stays in its room. Rooms of one floor do not import each other.
FLOORS = [
    "errors undivided pace overhead",
    "guard",
    "values config records entities afterwards store exceptions",
    "models",
    "checks contents data imports patching transport source charts modeling checkpoints ranks scoring trials workers",
    "jobs words searching",
    "run dialects reading",
    "current signals",
    "calls",
    "observing journal administration versions",
    "shipping",
    "integration delivery",
    "installed active",
    "discovery",
    "attaching autologging loggedmodels registering",
    "client",
    "experiments lookup modelrecords registry",
    "fluent testing",
    "artifacts tracking",
    "locating",
    "publishing information",
    "sklearn pyfunc pytorch keras tensorflow lightninglogger faces",
    "lightning catboost keras_tuner lightgbm optuna ray statsmodels transformers xgboost",
    "cli",
    "__main__",
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

CAPTURE = {"afterwards", "values", "words", "run", "current", "observing", "patching", "imports"}
CAPTURE |= {"calls", "integration", "discovery", "searching", "trials"}
DELIVERY = {"journal", "shipping", "transport", "dialects", "charts", "source"}
FREE = {"store", "models", "scoring"}


def room_of(file: Path) -> str:
    return file.relative_to(SRC).parts[0].removesuffix(".py")


def imports_of(file: Path) -> list[tuple[str, int]]:
    """The rooms that a file imports, wherever in it, with the line."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "fitscribe":
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
            found += [(name, node.lineno) for name in names]
        elif isinstance(node, ast.Import):
            found += [
                (alias.name.split(".")[1], node.lineno) for alias in node.names if alias.name.startswith("fitscribe.")
            ]
    return found


def sources() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def typing_only(file: Path) -> set[int]:
    """The lines under `if TYPE_CHECKING:`, which nothing runs."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def test_no_import_runs_up():
    wrong = []
    for file in sources():
        here = room_of(file)
        if here in ("__init__", "integrations"):
            continue
        for there, line in imports_of(file):
            if there == here or there.startswith("__") or line in typing_only(file):
                continue
            if FLOOR[there] >= FLOOR[here]:
                wrong.append(f"{file.relative_to(SRC)}:{line} imports {there}")
    assert not wrong


def test_every_room_has_its_floor():
    assert {room_of(file) for file in sources()} - {"__init__", "integrations"} == set(FLOOR)


def test_the_wings_do_not_know_each_other():
    for file in sources():
        here = room_of(file)
        forbidden = DELIVERY if here in CAPTURE else CAPTURE - {"values"} if here in DELIVERY else set()
        if here in FREE:
            forbidden = CAPTURE | DELIVERY
        assert not [(there, line) for there, line in imports_of(file) if there in forbidden], file


def test_integrations_know_the_public_face_and_models_alone():
    for file in (SRC / "integrations").rglob("*.py"):
        for there, line in imports_of(file):
            assert there in {*fitscribe.__all__, "integrations", "models"}, f"{file}:{line} imports {there}"


def test_a_small_integration_has_less_than_sixty_lines_and_what_a_third_party_has():
    small = []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, entry in project["entry-points"]["fitscribe.integrations"].items():
        module = entry.partition(":")[0]
        file = SRC / Path(*module.split(".")[1:]).with_suffix(".py")
        files = [file] if file.exists() else sorted(file.with_suffix("").glob("*.py"))
        lines = sum(len(each.read_text(encoding="utf-8").splitlines()) for each in files)
        print(f"{name:<20}{lines:>5} lines in {len(files)} file(s)")
        if file.exists():
            small.append(name)
            assert lines < 60, f"{name} has {lines} lines"
            assert not [there for there, _ in imports_of(file) if there not in {*fitscribe.__all__, "models"}], name
    assert len(small) >= 8


def test_every_module_says_what_it_is_and_what_is_public():
    for file in sources():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        words = ast.get_docstring(tree)
        assert words, f"{file} has no docstring"
        assert words.split("\n")[0].rstrip()[-1] in ".:!", f"{file}: its first line is no sentence"


def test_one_file_may_swallow():
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and file.name != "guard.py":
                names = ast.dump(node.type) if node.type else "bare"
                broad = names == "bare" or "id='Exception'" in names
                assert not broad, f"{file}:{node.lineno} catches everything"


def test_every_public_name_can_be_had():
    assert list(fitscribe.__all__) == sorted(fitscribe.__all__)
    for name in fitscribe.__all__:
        assert getattr(fitscribe, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = fitscribe.nothing


def imported_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules, sep=chr(10))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


HEAVY = {"msgspec", "wrapt", "requests", "urllib3", "sqlalchemy", "alembic", "yaml", "click", "rich", "cloudpickle"}


def test_importing_and_autolog_import_nothing_heavy():
    loaded = imported_by("import fitscribe; fitscribe.autolog()")
    assert not loaded & {*HEAVY, "numpy", "pandas", "sklearn", "logging", "importlib.metadata"}


def test_a_logging_call_imports_no_http_and_no_sql_for_itself():
    loaded = imported_by("import fitscribe.fluent, fitscribe.active, fitscribe.delivery, fitscribe.shipping.shipper")
    assert not loaded & (HEAVY - {"msgspec"})


def test_importing_changes_nothing(tmp_path):
    code = """
import os, sys, threading, logging
finders, threads = list(sys.meta_path), threading.active_count()
import fitscribe
assert sys.meta_path == finders
assert threading.active_count() == threads
assert not logging.getLogger("fitscribe").handlers and not logging.getLogger().handlers
assert os.listdir(".") == []
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_each_integration_has_its_extra_its_tests_and_its_row():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    readme = (ROOT / "README.md").read_text()
    for name in project["entry-points"]["fitscribe.integrations"]:
        requires = discovery.integration(name).requires
        extra = [re.sub(r"\[.*\]", "", each) for each in project["optional-dependencies"][name]]
        assert requires in extra, "the floor stands in the extra as well"
        assert f"| `{name}` | {requires} |" in readme
        assert list((ROOT / "integration" / name).glob("test_*.py"))


def test_each_integration_can_be_switched_on_by_name():
    for name in discovery.names():
        face = {"torch": "pytorch", "pytorch_lightning": "lightning"}.get(name, name)
        assert callable(importlib.import_module(f"fitscribe.{face}").autolog)
        assert callable(getattr(fitscribe, name).autolog)


def test_the_readmes_commands_and_the_ci_are_one():
    assert "python3 .ci/test.py" in (ROOT / "README.md").read_text()
    assert ".ci/test.py" in (ROOT / ".ci" / "run").read_text()


def test_the_top_level_is_what_was_agreed():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    top = {line.split("/")[0] for line in listed if not line.startswith(".")}
    assert top <= {
        "pyproject.toml", "src", "tests", "integration", "examples", "README.md", "CONTRIBUTING.md", "LICENSE",
        "constraints.txt",
    }  # fmt: skip
