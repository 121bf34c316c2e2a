import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fitscribe import source


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for words in (
        ["init", "-b", "trunk"],
        ["config", "user.name", "Ada"],
        ["config", "user.email", "ada@example.com"],
        ["remote", "add", "origin", "https://ada:secret@git.example/team/repo.git"],
    ):
        git(folder, *words)
    (folder / "train.py").write_text("1\n")
    git(folder, "add", "train.py")
    git(folder, "commit", "-m", "first")
    return folder


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_commit_branch_remote_and_state_are_told_without_the_password(repository: Path) -> None:
    clean = {
        "mlflow.source.git.commit": git(repository, "rev-parse", "HEAD"),
        "mlflow.source.git.branch": "trunk",
        "mlflow.source.git.repoURL": "https://git.example/team/repo.git",
        "mlflow.source.git.dirty": "false",
    }
    assert source.repository(repository) == clean
    (repository / "new.txt").touch()
    assert source.repository(repository) == clean, "a file that git does not know is no change"
    (repository / "train.py").write_text("2\n")
    git(repository, "checkout", "--detach")
    git(repository, "remote", "set-url", "origin", "git@git.example:team/repo.git")
    assert source.repository(repository) == {
        "mlflow.source.git.commit": clean["mlflow.source.git.commit"],
        "mlflow.source.git.repoURL": "git@git.example:team/repo.git",
        "mlflow.source.git.dirty": "true",
    }


def test_a_folder_without_repository_commit_or_git_tells_nothing(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(repository / ".git")
    assert source.repository(repository) == {}
    git(repository, "init")
    assert source.repository(repository) == {}
    assert source.repository(tmp_path / "missing") == {}
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source.repository(repository) == {}


def test_a_git_that_hangs_costs_no_more_than_its_limit(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "git"
    fake.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(source, "SECONDS", 0.5)
    began = time.monotonic()
    assert source.repository(repository) == {}
    assert time.monotonic() - began < 3


def test_the_scripts_folder_counts_and_else_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").touch()
    monkeypatch.setattr(sys, "argv", ["project/train.py", "--epochs", "3"])
    monkeypatch.setattr(source, "SCHEDULERS", ())
    monkeypatch.setenv("LOGNAME", "ada")
    source._here.clear()
    assert source.here() == {
        "mlflow.user": "ada",
        "mlflow.source.name": "project/train.py",
        "mlflow.source.type": "LOCAL",
    }
    assert source.directory() == tmp_path / "project"
    monkeypatch.setattr(sys, "argv", ["-c"])
    source._here.clear()
    assert source.here()["mlflow.source.name"] == "<console>"
    assert source.directory() == tmp_path


def test_a_batch_job_is_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    source._here.clear()
    assert source.here()["mlflow.source.type"] == "JOB"
    source._here.clear()
