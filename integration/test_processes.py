"""Real notebooks and joblib's workers: how a kernel ends, and what helpers log, is what the run says."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fitscribe

kernels = pytest.importorskip("jupyter_client.manager")


class Notebook:
    """A real kernel, cell by cell."""

    def __init__(self, folder: Path) -> None:
        self.manager = kernels.KernelManager(kernel_name="python3")
        self.manager.kernel_spec.argv[0] = sys.executable
        self.manager.shutdown_wait_time = 60.0  # seconds until it is killed; a busy machine may need more than 5
        self.manager.start_kernel(cwd=str(folder))
        self._connect()

    def restart(self) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel()
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def cell(self, text: str) -> str:
        """Run a cell to its end; return its status, "ok" or "error"."""
        reply = self.client.execute_interactive(textwrap.dedent(text), timeout=60, output_hook=lambda message: None)
        return reply["content"]["status"]

    def begin(self, text: str) -> str:
        """Start a cell, and do not wait for it."""
        return self.client.execute(textwrap.dedent(text))

    def reply(self, cell: str) -> str:
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == cell:
                return message["content"]["status"]

    def stop(self, **how: bool) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(**how)


@pytest.fixture
def notebook(tmp_path) -> Iterator[Notebook]:
    found = Notebook(tmp_path)
    yield found
    if found.manager.is_alive():
        found.stop(now=True)


def left(folder: Path) -> dict[str, tuple[str, str | None]]:
    """Return status and end of each run, after what is left has been sent."""
    subprocess.run([sys.executable, "-m", "fitscribe", "sync"], cwd=folder, check=False, capture_output=True)
    found = fitscribe.MlflowClient((folder / ".fitscribe").as_uri()).search_runs(["0"])
    return {run.info.run_name: (run.info.status, run.data.tags.get("fitscribe.end")) for run in found}


OPEN = "import fitscribe\nfitscribe.start_run(run_name='open')\nfitscribe.log_metric('a', 1)"


def test_a_restarted_kernel_is_a_process_that_died(notebook, tmp_path):
    assert notebook.cell(OPEN) == "ok"
    notebook.restart()
    assert left(tmp_path) == {"open": ("FAILED", "kernel restarted")}
    assert notebook.cell("import fitscribe\nfitscribe.start_run(run_name='again')\nfitscribe.end_run()") == "ok"
    notebook.stop()
    assert left(tmp_path) == {"open": ("FAILED", "kernel restarted"), "again": ("FINISHED", None)}


def test_a_kernel_that_is_restarted_in_the_middle_of_a_cell_is_one_too(notebook, tmp_path):
    notebook.begin(OPEN + "\nimport time\ntime.sleep(60)")
    time.sleep(4)
    notebook.restart()
    assert left(tmp_path) == {"open": ("FAILED", "kernel restarted")}


def test_a_kernel_that_is_shut_down_has_finished(notebook, tmp_path):
    assert notebook.cell(OPEN) == "ok"
    assert notebook.cell("1 / 0") == "error"  # a session goes on after errors
    notebook.stop()
    assert left(tmp_path) == {"open": ("FINISHED", None)}


def test_a_kernel_that_is_killed_leaves_its_journal(notebook, tmp_path):
    assert notebook.cell(OPEN) == "ok"
    notebook.stop(now=True)
    assert left(tmp_path) == {"open": ("FAILED", "process died")}


def test_a_cell_that_is_interrupted_ends_the_run_of_its_fit_alone(notebook, tmp_path):
    assert notebook.cell(OPEN + "\nfitscribe.sklearn.autolog(log_models=False)\nimport sklearn.linear_model") == "ok"
    fit = """
    import pathlib, time
    class Slow(sklearn.linear_model.LinearRegression):
        def fit(self, X, y):
            pathlib.Path("fits").touch()
            time.sleep(600)
    """
    assert notebook.cell(fit) == "ok"
    assert notebook.cell("sklearn.linear_model.LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])") == "ok"
    cell = notebook.begin("Slow().fit([[1.0], [2.0]], [1.0, 2.0])")
    until = time.monotonic() + 60
    while not (tmp_path / "fits").exists() and time.monotonic() < until:
        time.sleep(0.02)
    notebook.manager.interrupt_kernel()
    assert notebook.reply(cell) == "error"
    later = "fitscribe.log_metric('later', 2)\nassert fitscribe.active_run().info.status == 'RUNNING'"
    assert notebook.cell(later) == "ok"
    notebook.stop()
    assert left(tmp_path) == {"open": ("FINISHED", None), "Slow": ("KILLED", None)}


@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblibs_workers_log_to_the_run(tmp_path, backend):
    text = f"""
    import fitscribe, joblib

    def work(run_id, step):
        fitscribe.MlflowClient().log_metric(run_id, "m", step, step=step)

    if __name__ == "__main__":
        with fitscribe.start_run() as run:
            with joblib.parallel_backend("{backend}", n_jobs=2):
                joblib.Parallel()(joblib.delayed(work)(run.info.run_id, step) for step in range(20))
    """
    (tmp_path / "train.py").write_text(textwrap.dedent(text), encoding="utf-8")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120, env={**os.environ},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 60
    assert left(tmp_path)
    client = fitscribe.MlflowClient((tmp_path / ".fitscribe").as_uri())
    (run,) = client.search_runs(["0"])
    assert run.info.status == "FINISHED"
    assert sorted(point.step for point in client.get_metric_history(run.info.run_id, "m")) == list(range(20))


STORM = """
import importlib, os, sys, threading
import fitscribe
import importlib, itertools, random
stop = threading.Event()
fitscribe.start_run()

def logging():
    while not stop.is_set():
        fitscribe.log_metric("load", 1)
        stop.wait(0.0005)

def flushing():
    while not stop.is_set():
        fitscribe.flush(0.05)

def importing():
    while not stop.is_set():
        sys.modules.pop("colorsys", None)
        importlib.import_module("colorsys")
        stop.wait(0.001)

threads = [threading.Thread(target=each) for each in (logging, logging, flushing, importing)]
[each.start() for each in threads]
waiting = set()
for step in range(200):
    child = os.fork()
    if child == 0:
        fitscribe.log_metric("m", step, step=step)
        if step % 20 == 0:
            sys.exit(0)  # with a goodbye
        os._exit(0)
    waiting.add(child)
    if len(waiting) > 7:
        child, status = os.wait()
        assert status == 0
        waiting.discard(child)
while waiting:
    child, status = os.wait()
    assert status == 0
    waiting.discard(child)
stop.set()
[each.join() for each in threads]
fitscribe.end_run()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_two_hundred_forks_in_the_middle_of_everything(tmp_path):
    """Threads log, flush and import while children are born, log and leave; no lock goes with them."""
    (tmp_path / "train.py").write_text(STORM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "train.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert list(left(tmp_path).values()) == [("FINISHED", None)]
    client = fitscribe.MlflowClient((tmp_path / ".fitscribe").as_uri())
    (run,) = client.search_runs(["0"])
    points = sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, "m"))
    assert points == [(step, float(step)) for step in range(200)]
