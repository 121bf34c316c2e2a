"""`fitscribe new-integration`: what it writes works as it is; what it cannot write, it says."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import fitscribe
from fitscribe import delivery, discovery
from fitscribe.cli import main


def asked(*words: str) -> Result:
    return CliRunner().invoke(main, ["new-integration", *words])


def files(folder: Path) -> list[str]:
    return sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())


@pytest.fixture
def install(monkeypatch) -> Iterator[Callable[[Path], None]]:
    """Put a skeleton and its stand-in on the path, as an installer and pytest do."""
    before = set(sys.modules)
    monkeypatch.setattr(delivery, "connect", lambda: None)  # the recorder listens instead
    for name, value in {"_entries": None, "_loaded": {}, "_broken": set()}.items():
        monkeypatch.setattr(discovery, name, value)

    def installed(folder: Path) -> None:
        project = tomllib.loads((folder / "pyproject.toml").read_text())
        for each in ("src", *project["tool"]["pytest"]["ini_options"]["pythonpath"]):
            monkeypatch.syspath_prepend(folder / each)
        about = folder / "src" / "installed-0.1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['project']['name']}\nVersion: 0.1.0\n")
        entries = project["project"]["entry-points"]["fitscribe.integrations"]
        lines = [f"{name} = {target}" for name, target in entries.items()]
        (about / "entry_points.txt").write_text("\n".join(["[fitscribe.integrations]", *lines]))

    yield installed
    discovery.disable()
    for name in set(sys.modules) - before:
        if "nimbus" in name:
            del sys.modules[name]


def test_what_is_written_records_its_framework(install, recorder, tmp_path):
    assert asked("nimbus").exit_code == 0
    install(tmp_path / "fitscribe-nimbus")
    fitscribe.autolog()
    nimbus = importlib.import_module("nimbus")
    heard = []
    callbacks = [lambda number, metrics: heard.append((number, metrics["loss"]))]
    nimbus.train({"rate": 0.5}, [[1.0], [2.0]], [2.0, 4.0], 3, callbacks)
    run = recorder.run("nimbus")
    assert len(callbacks) == 1, "the user's list stays as it was"
    assert recorder.params(run) == {"rounds": "3", "rate": "0.5"}
    assert recorder.history(run, "loss") == heard
    assert {"model/MLmodel", "model/python_model.pkl"} <= set(recorder.artifacts(run))
    assert recorder.status(run) == "FINISHED"


def test_the_commands_that_come_next_are_said(tmp_path):
    result = asked("nimbus", "--folder", "my plugin")
    assert [line.strip() for line in result.output.splitlines()[-3:]] == [
        'cd "my plugin"',
        'python -m pip install -e ".[test]"',
        "python -m pytest",
    ]
    assert files(tmp_path / "my plugin") == [
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/fitscribe_nimbus/__init__.py",
        "tests/stand_in/nimbus-1.0.dist-info/METADATA",
        "tests/stand_in/nimbus.py",
        "tests/test_nimbus.py",
    ]


@pytest.mark.parametrize("name", ["x", "nimbus", "Nimbus", "a_framework_of_quite_a_long_name", "pytest"])
def test_what_is_written_is_short_and_in_order(name, tmp_path):
    assert asked(name).exit_code == 0
    folder = tmp_path / f"fitscribe-{name}"
    for words in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *words, "--no-cache", folder]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    assert len((folder / "src" / f"fitscribe_{name}" / "__init__.py").read_text().splitlines()) < 60


def test_of_an_installed_framework_package_and_version_are_known(tmp_path):
    assert asked("yaml").exit_code == 0
    folder = tmp_path / "fitscribe-yaml"
    major, minor = importlib.import_module("yaml").__version__.split(".")[:2]
    assert f'requires="PyYAML>={major}.{minor}"' in (folder / "src" / "fitscribe_yaml" / "__init__.py").read_text()


@pytest.mark.parametrize(
    ("version", "floor"),
    [
        ("1.4.2", "1.4"),
        ("7", "7"),
        ("2.13.0+cpu", "2.13"),
        ("2.0rc1", "2.0rc1"),
        ("3.1.dev0", "3.1.dev0"),
        ("1!2.0", "1!2.0"),
    ],
)
def test_the_installed_version_is_one_that_is_supported(version, floor, tmp_path, monkeypatch):
    about = tmp_path / "site" / "Stratus_ML-0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Stratus-ML\nVersion: {version}\n")
    (about / "top_level.txt").write_text("stratus\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert asked("stratus").exit_code == 0
    text = (tmp_path / "fitscribe-stratus" / "src" / "fitscribe_stratus" / "__init__.py").read_text()
    assert f'requires="Stratus-ML>={floor}"' in text


def test_no_file_is_overwritten_and_none_is_written_beside_it(tmp_path):
    mine = tmp_path / "fitscribe-nimbus" / "README.md"
    mine.parent.mkdir()
    mine.write_text("mine")
    result = asked("nimbus")
    assert result.exit_code == 1
    assert f"there already: {Path('fitscribe-nimbus', 'README.md')}" in result.output
    assert files(mine.parent) == ["README.md"]
    assert mine.read_text() == "mine"


def test_a_folder_that_cannot_be_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    result = asked("nimbus", "--folder", str(Path("file", "below")))
    assert result.exit_code == 1
    assert result.output.startswith("Error: cannot write")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("typing-extensions", "name it as it is imported: typing_extensions"),
        ("no-such-thing", "is no name that both"),
        ("nimbus.trees", "name the package: nimbus"),
        ("../nimbus", "is no name that both"),
        ("_nimbus", "is no name that both"),
        ("nimbus_", "is no name that both"),
        ("3nimbus", "is no name that both"),
        ("nïmbus", "is no name that both"),
        ("", "is no name that both"),
        ("lambda", "is a word of Python's own"),
        ("json", "is a word of Python's own"),
        ("fitscribe", "or ours"),
        ("sklearn", "is recorded by fitscribe already"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_the_reason(name, words, tmp_path):
    result = asked("--", name)
    assert result.exit_code == 1
    assert words in result.output
    assert not files(tmp_path)
