"""Locks tell living processes from dead ones, whatever is opened, closed, removed or forked meanwhile."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fitscribe.journal import locks

ASKS = "import sys; from pathlib import Path; from fitscribe.journal import locks; print(locks.held(Path(sys.argv[1])))"
HOLDS = """
import sys
from pathlib import Path
from fitscribe.journal import locks
locks.hold(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""
TURNS = """
import sys, time
from pathlib import Path
from fitscribe.journal import locks
lock, inside = Path(sys.argv[1]), Path(sys.argv[2])
taken = 0
until = time.monotonic() + 20
while taken < 100 and time.monotonic() < until:
    try:
        locks.hold(lock)
    except BlockingIOError:
        continue
    inside.touch(exist_ok=False)  # raises when somebody else is inside
    inside.unlink()
    locks.let_go(lock)
    taken += 1
print(taken)
"""


def others_see(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", ASKS, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "s.lock"
    yield path
    locks.let_go(path)


def test_a_lock_survives_questions_by_every_name_of_the_file(lock, tmp_path):
    locks.hold(lock)
    (tmp_path / "link").symlink_to(tmp_path)
    for name in (lock, tmp_path / "link" / "s.lock", Path("s.lock")):
        assert locks.held(name)
        assert locks.owner(name).pid == os.getpid()
        with pytest.raises(BlockingIOError, match="another process holds it"):
            locks.hold(name)
    assert others_see(lock) == "True"


def test_threads_that_ask_and_hold_at_once_lose_no_lock(tmp_path):
    stop, paths = threading.Event(), [tmp_path / f"{number}.lock" for number in range(4)]

    def ask() -> None:
        while not stop.is_set():
            for path in paths:
                locks.held(path)
                locks.owner(path)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    [each.start() for each in asking]
    try:
        for _ in range(5):
            for path in paths:
                locks.hold(path)
            assert others_see(paths[0]) == "True"
            for path in paths:
                locks.let_go(path)
    finally:
        stop.set()
        [each.join() for each in asking]


def test_only_one_process_at_a_time_is_inside_though_each_removes_the_file(tmp_path):
    command = [sys.executable, "-c", TURNS, str(tmp_path / "s.lock"), str(tmp_path / "inside")]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [each.communicate() for each in together]
    assert [(out.strip(), err) for out, err in said] == [("100", "")] * 3


def test_a_lock_says_who_holds_it_and_who_held_it_last(lock):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        found = locks.owner(lock)
        assert (found.host, found.pid, found.parent) == (locks.host(), other.pid, os.getpid())
        other.kill()
        other.wait()
    assert not locks.held(lock)
    assert locks.owner(lock) == found


def test_a_sign_of_life_is_seen_in_the_files_time(lock):
    locks.hold(lock)
    os.utime(lock, (1, 1))
    locks.beat()
    assert time.time() - lock.stat().st_mtime < 60
    assert others_see(lock) == "True"


if sys.platform != "win32":
    import fcntl

    @pytest.fixture
    def no_locks(monkeypatch):
        """A file system without locks, as some network folders are."""

        def lockf(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr(fcntl, "lockf", lockf)

    def test_without_locks_a_living_process_of_this_machine_is_known_by_its_number(lock, no_locks):
        with subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout.readline() == "held\n"
            assert locks.held(lock)
            with pytest.raises(BlockingIOError, match="seems to hold it"):
                locks.hold(lock)
            other.kill()
            other.wait()
        assert not locks.held(lock)
        locks.hold(lock)

    def test_without_locks_a_process_that_got_the_number_of_a_dead_one_is_another(lock, no_locks):
        lock.write_text(f'{{"host":"{locks.host()}","pid":{os.getppid()},"born":"1"}}')
        assert not locks.held(lock)
        locks.hold(lock)
        assert locks.owner(lock).pid == os.getpid()

    def test_without_locks_another_machine_is_believed_as_long_as_it_gives_signs_of_life(lock, no_locks):
        lock.write_text('{"host":"elsewhere","pid":1}')
        assert locks.held(lock)
        os.utime(lock, (1, 1))
        assert not locks.held(lock)

    def test_a_forked_child_neither_holds_nor_loses_its_parents_lock(lock):
        locks.hold(lock)
        child = os.fork()
        if not child:
            fine = locks.held(lock)
            locks.let_go(lock)
            os._exit(0 if fine and lock.exists() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert others_see(lock) == "True"
