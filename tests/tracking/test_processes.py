"""Scripts as their users run them: what they fork, hand to others, and say at the very end."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

import fitscribe


def script(tmp_path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the test's folder, with 60 seconds to end."""
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )


def runs() -> list[tuple[str, dict[str, float]]]:
    return [(run.info.status, run.data.metrics) for run in fitscribe.search_runs(output_format="list")]


def test_a_run_handed_to_a_subprocess_at_once_is_found_there(tmp_path):
    done = script(
        tmp_path,
        """
import subprocess, sys
import fitscribe
child = "import sys, fitscribe\\nwith fitscribe.start_run(run_id=sys.argv[1]): fitscribe.log_metric('child', 2)"
with fitscribe.start_run() as run:
    subprocess.run([sys.executable, "-c", child, run.info.run_id], check=True)
    fitscribe.log_metric("parent", 1)
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert runs() == [("FINISHED", {"parent": 1.0, "child": 2.0})]


def test_daemon_threads_that_log_to_the_end_make_no_runs_of_their_own(tmp_path):
    done = script(
        tmp_path,
        """
import threading, time
import fitscribe
fitscribe.start_run()
def watch():
    while True:
        fitscribe.log_metric("load", 0.5)
        time.sleep(0.0005)
for _ in range(3):
    threading.Thread(target=watch, daemon=True).start()
time.sleep(0.2)
""",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert runs() == [("FINISHED", {"load": 0.5})]


@pytest.mark.parametrize(
    ("late", "words"),
    [
        ("atexit.register(fitscribe.log_metric, 'late', 2.0)", "what is logged after the last delivery at exit"),
        ("class Late:\n    __del__ = lambda self: log('late', 2.0)\nlate = Late()\nlate.itself = late", ""),
    ],
    ids=["an exit handler older than fitscribe's", "an object that dies with the interpreter"],
)
def test_what_is_logged_after_the_goodbye_is_kept_for_the_same_run(tmp_path, late, words):
    begin = f"import atexit\nimport fitscribe\nfrom fitscribe import log_metric as log\n{late}\n"
    done = script(tmp_path, f"{begin}with fitscribe.start_run():\n    log('early', 1.0)\n")
    assert (done.returncode, done.stderr[: len(words)], done.stderr.count("\n")) == (0, words, bool(words))
    assert runs() == [("FINISHED", {"early": 1.0})]
    sync = [sys.executable, "-m", "fitscribe", "sync"]
    assert "1 of 1" in subprocess.run(sync, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert runs() == [("FINISHED", {"early": 1.0, "late": 2.0})]


if hasattr(os, "fork"):

    def test_a_fork_right_after_the_first_record_is_silent(tmp_path):
        done = script(
            tmp_path,
            """
import os, warnings
import fitscribe
warnings.simplefilter("ignore")  # Python's own words on forks of a process with threads
fitscribe.log_metric("parent", 1)
if not os.fork():
    os._exit(0)
os.wait()
""",
        )
        assert (done.returncode, done.stderr) == (0, "")

    def test_a_deleted_working_directory_stops_nothing(tmp_path, monkeypatch, caplog):
        gone = tmp_path / "gone"
        gone.mkdir()
        monkeypatch.chdir(gone)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "refuge"))
        gone.rmdir()
        fitscribe.log_metric("a", 1)
        fitscribe.end_run()
        assert runs() == [("FINISHED", {"a": 1.0})]
        assert caplog.messages == [
            "the working directory is not there any more; what would go below it goes to "
            f"{tmp_path / 'refuge'}/fitscribe-{os.getpid()}"
        ]


HELD = """
    import os, threading, fitscribe
    from fitscribe import pace
    fitscribe.log_param("a", 1)
    taken, free = threading.Event(), threading.Event()

    def hold():
        with pace._changed:
            taken.set()
            free.wait(20)

    threading.Thread(target=hold).start()
    taken.wait()
    child = os.fork() if hasattr(os, "fork") else 0
    if child == 0 and hasattr(os, "fork"):
        with pace.training():
            pass
        os._exit(0)
    if child:
        assert os.waitpid(child, 0)[1] == 0
    free.set()
"""


def test_a_training_in_a_forked_child_waits_for_no_lock_of_its_parents(tmp_path):
    script = textwrap.dedent(HELD)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=15,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
