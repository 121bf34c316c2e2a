"""Keys that sign models: one of this user's own, made on first use, or a team's."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fitscribe import config
from fitscribe.errors import MisuseError
from fitscribe.models.keys import Key, key_file, keys, own_key

posix = pytest.mark.skipif(os.name == "nt", reason="permissions are other things there")
TEAM, OTHER = "a secret of the whole team", "a secret of another team"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A folder for settings in which there is no key yet."""
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "config"))
    return tmp_path / "config" / "fitscribe"


def team(monkeypatch, text):
    monkeypatch.setenv("FITSCRIBE_MODEL_KEY", text)
    config.configure()


@posix
def test_key_is_made_on_first_use_and_read_by_its_user_alone(home):
    assert keys() == []
    first = own_key()
    assert [each.name for each in keys()] == [first.name] == [own_key().name]
    assert stat.S_IMODE((home / "model.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert os.listdir(home) == ["model.key"]


@posix
def test_key_is_its_users_alone_whatever_the_umask(home):
    before = os.umask(0)
    try:
        own_key()
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / "model.key").stat().st_mode) == 0o600


def test_processes_that_begin_at_once_have_one_key(home):
    script = (
        "import sys, time\nfrom fitscribe.models.keys import own_key\nprint('ready', flush=True)\n"
        "sys.stdin.readline()\nprint(own_key().name)"
    )
    command = [sys.executable, "-c", script]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(6)
    ]
    for each in started:
        assert each.stdout.readline() == "ready\n"
    for each in started:
        each.stdin.write("\n")
        each.stdin.flush()
    names = {each.communicate(timeout=60)[0].strip() for each in started}
    assert len(names) == 1
    assert names == {own_key().name}
    assert os.listdir(home) == ["model.key"]


def test_disk_without_links_keeps_a_key_too(home, monkeypatch):
    def unsupported(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link" if os.name != "nt" else "rename", unsupported)
    if os.name != "nt":
        assert own_key().name == own_key().name
        assert os.listdir(home) == ["model.key"]


def test_key_that_another_process_is_writing_is_waited_for(home, monkeypatch):
    home.mkdir(parents=True)
    (home / "model.key").touch(mode=0o600)
    monkeypatch.setattr("time.sleep", lambda _: (home / "model.key").write_text("f" * 64 + "\n"))
    assert own_key().name == Key("f" * 64).name


@posix
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o602])
def test_key_that_lies_open_to_others_is_not_used(home, mode):
    own_key()
    (home / "model.key").chmod(mode)
    for use in (own_key, keys):
        with pytest.raises(MisuseError, match=f"is open to others .mode {mode:04o}, .*chmod 600 it if nobody"):
            use()


@pytest.mark.parametrize(("text", "words"), [("", "is cut short"), ("abc", "is cut short"), ("\n", "holds no key")])
def test_damaged_key_file_says_what_to_do(home, monkeypatch, text, words):
    home.mkdir(parents=True)
    (home / "model.key").touch(mode=0o600)
    (home / "model.key").write_text(text)
    monkeypatch.setattr("fitscribe.models.keys.WHOLE", 0.05)
    with pytest.raises(MisuseError, match=f"{words}.*delete it and a new one is made"):
        own_key()


def test_team_signs_with_its_key_and_a_user_still_believes_their_own(monkeypatch):
    mine = own_key()
    team(monkeypatch, TEAM)
    assert own_key().name == Key(TEAM).name
    assert [each.name for each in keys()] == [Key(TEAM).name, mine.name]


def test_team_changes_its_key(monkeypatch):
    team(monkeypatch, f"{OTHER}, {TEAM}")
    assert own_key().name == Key(OTHER).name
    assert [each.name for each in keys()] == [Key(OTHER).name, Key(TEAM).name]


def test_team_key_makes_no_key_of_the_users(home, monkeypatch):
    team(monkeypatch, TEAM)
    own_key()
    assert not home.exists()


def test_key_in_a_mounted_file(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text(f"{TEAM}\n")
    team(monkeypatch, f"@{tmp_path / 'secret'}")
    assert own_key().name == Key(TEAM).name
    team(monkeypatch, f"@{tmp_path / 'nowhere'}")
    with pytest.raises(MisuseError, match=r"the file '.*nowhere' that FITSCRIBE_MODEL_KEY names cannot be read"):
        own_key()


def test_key_that_can_be_guessed_is_refused_and_not_shown(monkeypatch):
    team(monkeypatch, "hunter2")
    with pytest.raises(
        MisuseError, match="holds a key of 7 characters, which can be guessed; make one of 16"
    ) as raised:
        own_key()
    assert "hunter2" not in str(raised.value)


def test_key_is_never_shown(monkeypatch):
    team(monkeypatch, TEAM)
    assert TEAM not in repr(config.settings())
    assert TEAM not in repr(own_key())
    assert own_key().name not in TEAM


def test_user_without_a_home(monkeypatch):
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(variable)

    def nobody(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert key_file() is None
    assert keys() == []
    with pytest.raises(OSError, match="no home folder"):
        own_key()


def test_signature_fits_its_content_and_its_key_alone():
    key = Key(TEAM)
    signature = key.sign(b"content")
    assert key.fits(b"content", signature)
    assert not key.fits(b"Content", signature)
    assert not Key(OTHER).fits(b"content", signature)
    assert not key.fits(b"content", "")
    assert not key.fits(b"content", "ü\ud800")
