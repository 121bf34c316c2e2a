"""The life of a store: made, moved, shared by processes and threads, forked, closed and opened again."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fitscribe.store import Store, forks

API = "/api/2.0/mlflow/"


def ask(store: Store, method: str, tail: str, **body):
    status, answer = store.handle(method, API + tail, body)
    assert status == 200, answer
    return answer


def log(store: Store, run: str, value: float, step: int) -> None:
    ask(store, "POST", "runs/log-metric", run_id=run, key="a", value=value, timestamp=1, step=step)


def steps(store: Store, run: str) -> list[int]:
    answer = ask(store, "GET", "metrics/get-history", run_id=run, metric_key="a")
    return [each["step"] for each in answer.get("metrics", [])]


def test_nothing_is_there_before_the_first_request(folder):
    store = Store(folder)
    store.close()
    assert not folder.exists()


def test_a_new_store_is_ignored_by_git_and_leaves_one_file_when_closed(fresh, folder):
    ask(fresh, "POST", "runs/create", experiment_id="0")
    fresh.close()
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "fitscribe.db"]
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_gitignore_of_the_users_own_stays(fresh, folder):
    folder.mkdir()
    (folder / ".gitignore").write_text("mine\n")
    ask(fresh, "POST", "runs/create", experiment_id="0")
    assert (folder / ".gitignore").read_text() == "mine\n"


def test_a_closed_store_opens_again(store, get, new_run):
    run = new_run()
    before = get("runs/get", run_id=run)
    store.close()
    store.close()
    assert get("runs/get", run_id=run) == before


def test_a_folder_that_was_moved_is_as_before_but_for_where_it_lies(store, folder, tmp_path, new_run, data):
    run = new_run()
    log(store, run, 0.5, 1)
    store.handle("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.txt", b"content")
    store.close()
    before = data(run)
    store.close()
    moved = tmp_path / "else where" / "é#%41"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    other = Store(moved)
    shown = ask(other, "GET", "runs/get", run_id=run)["run"]
    assert shown["info"]["artifact_uri"] == f"{moved.as_uri()}/artifacts/0/{run}/artifacts"
    assert {each["key"]: each["value"] for each in shown["data"]["metrics"]} == {"a": 0.5}
    assert before["metrics"] == {"a": (0.5, 1, 1)}
    path = other.handle("GET", f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.txt")[1]
    assert path.read_bytes() == b"content"
    assert path.is_relative_to(moved)
    other.close()
    assert str(folder).encode() not in (moved / "fitscribe.db").read_bytes()


def test_a_folder_that_is_removed_meanwhile_is_made_anew(store, folder, post, new_run):
    new_run()
    for path in folder.glob("fitscribe.db*"):
        if os.name != "nt":  # where open files cannot be removed
            path.unlink()
    assert post("experiments/create", name="after") == {"experiment_id": "1"}
    assert (folder / "fitscribe.db").exists()


def test_a_relative_folder_is_meant_from_where_it_was_named(tmp_path, monkeypatch):
    store = Store(Path("here"))
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    ask(store, "POST", "runs/create", experiment_id="0")
    store.close()
    assert (tmp_path / "here/fitscribe.db").exists()


def test_threads_write_side_by_side(store, new_run, points):
    run = new_run()
    failures = []

    def work(number: int) -> None:
        for step in range(20):
            status, answer = store.handle(
                "POST",
                f"{API}runs/log-metric",
                {"run_id": run, "key": "a", "value": number, "timestamp": number, "step": step},
            )
            if status != 200:
                failures.append(answer)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert points(run, "a") == [(float(number), number, step) for number in range(8) for step in range(20)]


STARTED_AT_ONCE = """
import sys, time
from pathlib import Path
from fitscribe.store import Store
store, begin = Store(Path(sys.argv[1])), float(sys.argv[2])
time.sleep(max(0, begin - time.time()))
status, answer = store.handle("POST", "/api/2.0/mlflow/experiments/create", {"name": "new"})
assert status == 200 or answer["error_code"] == "RESOURCE_ALREADY_EXISTS", answer
status, answer = store.handle("GET", "/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": "new"})
assert status == 200, answer
status, answer = store.handle("POST", "/api/2.0/mlflow/runs/create", answer["experiment"])
assert status == 200, answer
store.close()
"""


def test_processes_that_start_at_once_share_one_experiment(folder, fresh):
    import time

    command = [sys.executable, "-c", STARTED_AT_ONCE, str(folder), str(time.time() + 2)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(8)]
    failures = [process.communicate()[1].decode() for process in processes]
    assert failures == [""] * 8
    experiments = ask(fresh, "POST", "experiments/search", max_results=10)["experiments"]
    assert sorted(each["name"] for each in experiments) == ["Default", "new"]
    assert len(ask(fresh, "POST", "runs/search", experiment_ids=["1"])["runs"]) == 8


def in_child(work) -> int:
    """Fork, work, and return the child's exit status."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        work()
        status = 0
    finally:
        os._exit(status)


FORKS = [in_child] if hasattr(os, "fork") else []


@pytest.mark.parametrize("fork", FORKS)
def test_a_forked_child_and_its_parent_both_go_on(store, new_run, fork):
    run = new_run()
    log(store, run, 1, 0)

    def work() -> None:
        assert steps(store, run) == [0]
        log(store, run, 1, 1)
        store.close()

    assert fork(work) == 0
    log(store, run, 1, 2)
    assert steps(store, run) == [0, 1, 2]


def test_a_fork_waits_for_a_write_in_progress_and_leaves_no_connection_to_the_child(store, new_run, points):
    run = new_run()
    inside, leave = threading.Event(), threading.Event()
    database = store._database

    def write() -> None:
        with database.writing():
            inside.set()
            leave.wait(5)

    writer = threading.Thread(target=write)
    timer = threading.Timer(0.2, leave.set)
    writer.start()
    inside.wait(5)
    timer.start()
    forks._before()
    assert leave.is_set()
    assert database._engine is None
    late = threading.Thread(target=log, args=(store, run, 1, 1))
    late.start()
    late.join(0.1)
    assert late.is_alive()  # until the fork is done
    forks._in_parent()
    for thread in (writer, timer, late):
        thread.join(5)
    assert points(run, "a") == [(1.0, 1, 1)]


def test_a_fork_does_not_wait_for_ever_and_the_child_starts_afresh(store, new_run, get, monkeypatch):
    monkeypatch.setattr(forks, "PATIENCE", 0.05)
    run, database = new_run(), store._database
    with database.reading():
        forks._before()
        engine = database._engine
        assert engine is not None
        gate = database.gate
        forks._in_child()
        assert database._engine is None
        assert get("runs/get", run_id=run)["run"]["info"]["run_id"] == run
        assert database.gate is not gate
    engine.dispose()


FORKED_WHILE_OPENING = """
import os, sys, threading, time
from pathlib import Path
from fitscribe.undivided import watch_forks
watch_forks()
from fitscribe.store import Store
folder = Path(sys.argv[1])

def write():
    assert Store(folder).handle("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})[0] == 200

opening = threading.Thread(target=write)
opening.start()
time.sleep(float(sys.argv[2]))
child = os.fork()
if not child:
    write()
    os._exit(0)
opening.join()
deadline = time.monotonic() + 30
while time.monotonic() < deadline:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        sys.exit(status)
    time.sleep(0.01)
os.kill(child, 9)
sys.exit("the child hangs")
"""


@pytest.mark.parametrize("seconds", [0.02, 0.2] if FORKS else [])
def test_a_child_that_is_forked_while_the_store_is_being_made_writes_to_it_too(folder, seconds):
    command = [sys.executable, "-W", "ignore", "-c", FORKED_WHILE_OPENING, str(folder), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    store = Store(folder)
    assert len(ask(store, "POST", "runs/search", experiment_ids=["0"])["runs"]) == 2
    store.close()


def test_a_database_that_comes_while_a_fork_waits_stays_usable(fresh):
    forks._before()
    ask(fresh, "POST", "runs/create", experiment_id="0")
    forks._in_parent()
    ask(fresh, "POST", "runs/create", experiment_id="0")


def test_a_store_that_is_let_go_of_leaves_no_connection_open(folder, recwarn):
    ask(Store(folder), "POST", "runs/create", experiment_id="0")
    gc.collect()
    assert not [each for each in recwarn if issubclass(each.category, ResourceWarning)]
    assert not (folder / "fitscribe.db-wal").exists()  # the last connection takes it along


def test_a_connection_that_is_in_use_at_the_close_is_closed_after_it(store, folder, get, new_run):
    run, database = new_run(), store._database
    with database.reading():
        store.close()
        assert (folder / "fitscribe.db-wal").exists()
    assert not (folder / "fitscribe.db-wal").exists()
    assert get("runs/get", run_id=run)["run"]["info"]["run_id"] == run
