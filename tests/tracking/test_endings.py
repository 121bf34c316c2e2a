"""How a script ends, and what its runs say of that: errors, Ctrl-C, SIGTERM, exits; nothing of it is changed by us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import fitscribe
from fitscribe import signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without a signal")

BEGIN = """
import os, signal, sys, threading, time
{before}
import fitscribe
fitscribe.start_run(run_name="open")
fitscribe.log_metric("a", 1)
"""


def started(tmp_path, text: str, before: str = "") -> subprocess.Popen[str]:
    """Start a script, and return when it says "ready"."""
    content = BEGIN.format(before=textwrap.dedent(before)) + textwrap.dedent(text)
    (tmp_path / "train.py").write_text(content, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "train.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n", process.communicate(timeout=30)[1]
    return process


def ended(process, number: int | None = signal.SIGTERM) -> tuple[int, str, float]:
    """Send a signal; return exit code, what was said on stderr, and the seconds it took."""
    time.sleep(0.2)
    began = time.monotonic()
    if number is not None:
        process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err, time.monotonic() - began


def runs() -> dict[str, str]:
    """Return the status of each run, after what dead processes left has been sent."""
    subprocess.run([sys.executable, "-m", "fitscribe", "sync"], capture_output=True, check=False)
    return {run.info.run_name: run.info.status for run in fitscribe.search_runs(output_format="list")}


READY = "print('ready', flush=True)\n"
SLEEP = READY + "time.sleep(60)"
LONG_CALL = "import hashlib\n" + READY + "hashlib.pbkdf2_hmac('sha256', b'a', b'b', 500_000_000)"
LOGGING = READY + "while True: fitscribe.log_metric('b', 1)"
ASYNC = "import asyncio\n" + READY + "asyncio.run(asyncio.sleep(60))"
THREADS = "threading.Thread(target=time.sleep, args=(60,)).start()\n" + SLEEP
NESTED = "fitscribe.start_run(nested=True, run_name='inner')\n" + SLEEP
MODEL = "from fitscribe.active import handle_of\nfitscribe.active_run().run.later(lambda: time.sleep(0.1))\n" + SLEEP


@pytest.mark.parametrize(
    "text",
    [SLEEP, LONG_CALL, LOGGING, ASYNC, THREADS, NESTED, MODEL],
    ids=["asleep", "in a long call", "logging", "asyncio", "threads", "nested", "work left"],
)
def test_sigterm_kills_the_run_and_the_process_dies_of_it(tmp_path, text):
    code, err, seconds = ended(started(tmp_path, text))
    assert (code, err) == (-signal.SIGTERM, "")
    assert seconds < 15
    assert set(runs().values()) == {"KILLED"}


def test_a_dead_endpoint_does_not_keep_a_process_that_is_told_to_end(tmp_path):
    process = started(tmp_path, SLEEP, before="os.environ['FITSCRIBE_TRACKING_URI'] = 'http://127.0.0.1:9'")
    code, err, seconds = ended(process)
    assert code == -signal.SIGTERM
    assert "Traceback" not in err
    assert seconds < 10


USERS = "def mine(number, frame):\n    print('mine', file=sys.stderr)\n    sys.exit(7)\n"


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_users_handler_is_called_alone_with_its_exit_code(tmp_path, when):
    handler = USERS + "signal.signal(signal.SIGTERM, mine)\n"
    before, text = (handler, SLEEP) if when == "before" else ("", handler + SLEEP)
    assert ended(started(tmp_path, text, before))[:2] == (7, "mine\n")
    assert runs() == {"open": "KILLED"}


def test_a_signal_that_the_listening_thread_has_not_come_to_is_known_at_the_end(monkeypatch):
    """On a busy machine the process was through before that thread had its turn, and the run FINISHED."""
    watch = signals._Watch(lambda seconds: None)
    watch.pipe = os.pipe()
    for end in watch.pipe:
        os.set_blocking(end, False)
    monkeypatch.setattr(signals, "_watch", watch)
    assert not signals.told()
    os.write(watch.pipe[1], bytes([signal.SIGUSR1]))
    assert not signals.told()
    os.write(watch.pipe[1], bytes([signal.SIGTERM]))
    assert signals.told()
    watch._close()


def test_a_handler_that_calls_the_one_before_it_goes_on_as_it_did(tmp_path):
    """It called nothing when there was none, and must not die of what is there now."""
    text = """
    before = signal.getsignal(signal.SIGTERM)
    def mine(number, frame):
        if callable(before):
            before(number, frame)
        print("saved", file=sys.stderr)
        fitscribe.end_run()
        sys.exit(0)
    signal.signal(signal.SIGTERM, mine)
    """
    assert ended(started(tmp_path, textwrap.dedent(text) + SLEEP))[:2] == (0, "saved\n")
    assert runs() == {"open": "FINISHED"}


def test_frameworks_that_look_for_a_handler_find_none(tmp_path):
    text = """
    found = signal.getsignal(signal.SIGTERM)
    assert found in (None, signal.SIG_DFL) and found == signal.SIG_DFL and not found != signal.SIG_DFL, found
    assert signal.signal(signal.SIGTERM, signal.SIG_DFL) == signal.SIG_DFL
    signal.signal(signal.SIGTERM, found)
    """
    assert ended(started(tmp_path, textwrap.dedent(text) + SLEEP))[:2] == (-signal.SIGTERM, "")
    assert runs() == {"open": "KILLED"}


def test_an_ignored_signal_stays_ignored(tmp_path):
    text = READY + "time.sleep(1)\nfitscribe.end_run()"
    process = started(tmp_path, text, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert ended(process)[:2] == (0, "")
    assert runs() == {"open": "FINISHED"}


def test_asyncio_with_a_handler_of_its_own_ends_as_it_says(tmp_path):
    text = """
    import asyncio
    async def main():
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        print("ready", flush=True)
        await asyncio.wait_for(stop.wait(), 30)
    asyncio.run(main())
    fitscribe.end_run()
    """
    assert ended(started(tmp_path, text))[:2] == (0, "")
    assert runs() == {"open": "FINISHED"}


def test_a_program_that_was_started_meanwhile_has_no_handler(tmp_path):
    text = """
    import subprocess
    code = "import signal; print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, signal.set_wakeup_fd(-1))"
    print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout, end="", file=sys.stderr)
    fitscribe.end_run()
    print("ready", flush=True)
    """
    assert ended(started(tmp_path, text), None)[:2] == (0, "True -1\n")


def test_a_forked_child_dies_of_sigterm_and_its_parents_run_goes_on(tmp_path):
    text = """
    children = []
    for _ in range(20):
        child = os.fork()
        if child == 0:
            import hashlib
            hashlib.pbkdf2_hmac('sha256', b'a', b'b', 500_000_000)  # no Python handler would be heard
        os.kill(child, signal.SIGTERM)
        assert os.waitpid(child, 0)[1] == signal.SIGTERM
    print("ready", flush=True)
    time.sleep(1)
    fitscribe.end_run()
    """
    assert ended(started(tmp_path, text), None)[:2] == (0, "")
    assert runs() == {"open": "FINISHED"}


def test_workers_of_multiprocessing_end_as_they_are_told(tmp_path):
    text = """
    import multiprocessing
    def work():
        with fitscribe.start_run(run_name="child", nested=True):
            print("ready", flush=True)
            time.sleep(60)
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=work)
    worker.start()
    time.sleep(1)
    worker.terminate()
    worker.join(30)
    assert worker.exitcode == -signal.SIGTERM, worker.exitcode
    fitscribe.end_run()
    """
    assert ended(started(tmp_path, text), None)[:2] == (0, "")
    assert runs() == {"open": "FINISHED", "child": "KILLED"}


def test_ctrl_c_kills_the_run_with_pythons_own_traceback(tmp_path):
    code, err, _ = ended(started(tmp_path, SLEEP), signal.SIGINT)
    assert code == -signal.SIGINT
    assert err.startswith("Traceback")
    assert err.endswith("KeyboardInterrupt\n")
    assert "fitscribe" not in err
    assert runs() == {"open": "KILLED"}


@pytest.mark.parametrize(
    ("text", "code", "words", "status"),
    [
        ("raise ValueError('mine')", 1, "ValueError: mine\n", "FAILED"),
        ("with fitscribe.active_run(): sys.exit(3)", 3, "", "KILLED"),
        ("os._exit(4)", 4, "", "FAILED"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -9, "", "FAILED"),
        ("t = threading.Thread(target=lambda: 1 / 0); t.start(); t.join()", 0, "ZeroDivisionError", "FINISHED"),
    ],
    ids=["an error", "exit in with", "os._exit", "kill -9", "an error in a thread"],
)
def test_the_end_of_a_script_is_the_end_of_its_open_run(tmp_path, text, code, words, status):
    got, err, _ = ended(started(tmp_path, READY + text), None)
    assert got == code
    assert words in err
    assert "fitscribe" not in err
    assert runs() == {"open": status}


def test_a_run_ends_though_the_work_after_its_fit_outlasts_the_process(tmp_path):
    """Nobody could tell of it later: all that was said before is delivered, and the journal gone."""
    before = "os.environ['FITSCRIBE_EXIT_TIMEOUT'] = '2'"
    text = "fitscribe.flush(60)\nfitscribe.active_run().run.later(lambda: time.sleep(30))\n" + READY
    code, err, seconds = ended(started(tmp_path, text, before), None)
    assert code == 0
    assert "1 run(s) end without what it had to say" in err
    assert seconds < 20
    assert runs() == {"open": "FINISHED"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_leaves_the_end_of_its_parents_run_to_the_parent(tmp_path):
    """Which waits for work after a fit, and dies of it, while the child has no time for its own."""
    before = "import contextvars\nos.environ['FITSCRIBE_EXIT_TIMEOUT'] = '2'"
    text = """
    from fitscribe import afterwards

    def train():
        fitscribe.start_run(run_name="child").run.later(lambda: time.sleep(60))

    with afterwards.held():
        fitscribe.active_run().run.later(int)
        fitscribe.end_run()
        child = os.fork()
        if child == 0:
            contextvars.Context().run(train)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print("ready", flush=True)
        os._exit(0)
    """
    code, err, _ = ended(started(tmp_path, text, before), None)
    assert code == 0
    assert "1 run(s) end without what it had to say" in err
    assert runs() == {"open": "FAILED", "child": "FINISHED"}


def test_nothing_is_installed_before_a_run_begins(tmp_path):
    text = """
    import signal, sys, threading, fitscribe
    fitscribe.autolog()
    fitscribe.set_experiment("a")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
