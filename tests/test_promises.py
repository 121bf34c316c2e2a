"""The repository checks its own promises: floors, wings, names, doors, documents."""

from __future__ import annotations

import ast
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
    "checks contents data imports patching transport source charts modeling checkpoints ranks scoring",
    "jobs",
    "run dialects reading",
    "current signals",
    "observing journal administration",
    "shipping",
    "integration delivery",
    "discovery active",
    "attaching autologging loggedmodels registering",
    "client",
    "experiments lookup modelrecords registry",
    "fluent testing",
    "artifacts tracking",
    "locating",
    "publishing information",
    "sklearn pyfunc pytorch keras tensorflow lightninglogger",
    "lightning",
    "cli",
    "__main__",
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms.split()}

CAPTURE = {"afterwards", "values", "run", "current", "observing", "patching", "imports", "integration", "discovery"}
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
        assert requires in project["optional-dependencies"][name], "the floor stands in the extra as well"
        assert f"| `{name}` | {requires} |" in readme
        assert list((ROOT / "integration" / name).glob("test_*.py"))


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
