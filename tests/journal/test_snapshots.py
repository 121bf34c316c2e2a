"""Snapshots: a file as it was at the call, whatever happens to it next, and never a hang."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from fitscribe.errors import MissingFile, MisuseError
from fitscribe.journal.snapshots import copied

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such files")


def test_what_happens_to_the_file_next_does_not_matter(tmp_path: Path) -> None:
    source, target = tmp_path / "model", tmp_path / "copy"
    source.write_bytes(os.urandom(3_000_000))
    content = source.read_bytes()
    copied(source, target)
    with source.open("r+b") as file:
        file.write(b"changed")
    source.unlink()
    assert target.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"x"])
def test_small_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    copied(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux has files that do not know their size")
def test_a_file_that_does_not_know_its_size_is_read_to_its_end(tmp_path: Path) -> None:
    copied(Path("/proc/self/status"), tmp_path / "status")
    assert b"Threads:" in (tmp_path / "status").read_bytes()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match=r"there is no file '.*nothing' to log \(looked in "):
        copied(tmp_path / "nothing", tmp_path / "copy")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MissingFile, match="there is no file"):
        copied(tmp_path / "file" / "below", tmp_path / "copy")


@posix
def test_pipes_sockets_devices_and_broken_links_are_refused_at_once(tmp_path: Path, monkeypatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name, words in {
            "pipe": "a named pipe",
            "socket": "a socket",
            "/dev/zero": "a device",
            ".": "a folder",
        }.items():
            with pytest.raises(MisuseError, match=f"is {words}; only plain files can be logged"):
                copied(Path(name), tmp_path / "copy")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "round").symlink_to("round")
    for name in ("link", "round"):
        with pytest.raises(MissingFile, match="there is no file"):
            copied(tmp_path / name, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@posix
def test_a_link_is_followed_to_its_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    copied(tmp_path / "link", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert not (tmp_path / "copy").is_symlink()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else here")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path(folder.anchor) and folder.stat().st_uid == 0 and not folder.stat().st_mode & 1:
            folder.chmod(folder.stat().st_mode | 0o011)
    os.seteuid(65534)
    try:
        with pytest.raises(MisuseError, match="secret' cannot be read"):
            copied(tmp_path / "secret", tmp_path / "copy")
    finally:
        os.seteuid(0)


def test_a_growing_file_is_kept_as_it_was_at_the_call(tmp_path: Path, caplog) -> None:
    log, stop = tmp_path / "log", threading.Event()
    log.write_bytes(b"0123456789\n" * 1000)

    def write() -> None:
        with log.open("ab", buffering=0) as file:
            while not stop.wait(0.001) and file.tell() < 5_000_000:
                file.write(b"0123456789\n" * 1000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(20):
            copied(log, tmp_path / f"copy-{number}")
            assert (tmp_path / f"copy-{number}").read_bytes().startswith(b"0123456789\n")
    finally:
        stop.set()
        writer.join()
    assert not caplog.records


@posix
def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    import resource

    (tmp_path / "file").write_bytes(bytes(2_000_000))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # writes fail from there, as on a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            copied(tmp_path / "file", tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "copy").exists()
