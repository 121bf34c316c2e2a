"""Workers: what forked, spawned and threaded helpers of a script log to its run arrives in it, each thing once."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap

import pytest

import fitscribe

METHODS = multiprocessing.get_all_start_methods()
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def script(tmp_path, text: str, *words: str, **environment: str) -> None:
    """Run a script to its end; it says nothing and ends well, within 90 seconds."""
    (tmp_path / "train.py").write_text(textwrap.dedent(text), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "train.py", *words], cwd=tmp_path, env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def the_run():
    """The one run, with all points of its metric `m`, sorted."""
    (run,) = fitscribe.search_runs(output_format="list")
    points = fitscribe.get_metric_history(run.info.run_id, "m")
    return run.info.status, sorted((point.step, point.value) for point in points)


WORK = """
import concurrent.futures, multiprocessing, os, subprocess, sys, threading
import fitscribe

def log(run_id, step):
    fitscribe.MlflowClient().log_metric(run_id, "m", step, step=step)
    return step

def here(step):
    fitscribe.log_metric("m", step, step=step)

def main():
{body}

if __name__ == "__main__":
    main()
"""


def work(body: str) -> str:
    return WORK.format(body=textwrap.indent(textwrap.dedent(body), "    "))


@pytest.mark.parametrize("method", METHODS)
def test_processes_and_pools_of_multiprocessing(tmp_path, method):
    body = f"""
    context = multiprocessing.get_context({method!r})
    with fitscribe.start_run() as run:
        name = run.info.run_id
        workers = [context.Process(target=log, args=(name, step)) for step in range(3)]
        [each.start() for each in workers]
        [each.join() for each in workers]
        assert [each.exitcode for each in workers] == [0] * 3
        with context.Pool(2) as pool:
            pool.starmap(log, [(name, step) for step in range(3, 9)])
            pool.close()
            pool.join()
    """
    script(tmp_path, work(body))
    assert the_run() == ("FINISHED", [(step, float(step)) for step in range(9)])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("end", "status"), [("late", "FINISHED"), ("open", "FINISHED"), ("error", "FAILED")])
def test_a_run_of_a_worker_ends_with_it(tmp_path, method, end, status):
    """Also where its end waits for work after a fit, and all that was said before is delivered."""
    text = """
    import multiprocessing, os, sys, time
    import fitscribe

    def train(end):
        run = fitscribe.start_run().run
        fitscribe.flush(60)
        if end == "late":
            run.later(lambda: time.sleep(1.5))
            run.later(lambda: run.log_metrics({"m": 1.0}))
            fitscribe.end_run()
        else:
            run.log_metrics({"m": 1.0})
        if end == "error":
            sys.stderr = open(os.devnull, "w")
            raise ValueError("mine")

    if __name__ == "__main__":
        worker = multiprocessing.get_context(sys.argv[1]).Process(target=train, args=(sys.argv[2],))
        worker.start()
        worker.join()
        assert worker.exitcode == int(sys.argv[2] == "error")
    """
    script(tmp_path, text, method, end)
    assert the_run() == (status, [(0, 1.0)])


def test_a_pool_of_concurrent_futures(tmp_path):
    body = """
    with fitscribe.start_run() as run, concurrent.futures.ProcessPoolExecutor(2) as pool:
        list(pool.map(log, [run.info.run_id] * 6, range(6)))
    """
    script(tmp_path, work(body))
    assert the_run() == ("FINISHED", [(step, float(step)) for step in range(6)])


@FORKS
def test_forked_children_log_to_the_run_they_were_born_in(tmp_path):
    body = """
    with fitscribe.start_run():
        children = []
        for step in range(6):
            child = os.fork()
            if child == 0:
                here(step)
                if step % 2:
                    sys.exit(0)
                os._exit(0)  # without a goodbye
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        here(6)
    """
    script(tmp_path, work(body))
    subprocess.run([sys.executable, "-m", "fitscribe", "sync"], cwd=tmp_path, check=True, capture_output=True)
    assert the_run() == ("FINISHED", [(step, float(step)) for step in range(7)])


def test_threads_and_their_pools(tmp_path):
    body = """
    with fitscribe.start_run():
        threads = [threading.Thread(target=here, args=(step,)) for step in range(5)]
        [each.start() for each in threads]
        [each.join() for each in threads]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(here, range(5, 25)))
    """
    script(tmp_path, work(body))
    assert the_run() == ("FINISHED", [(step, float(step)) for step in range(25)])


def test_a_thread_that_goes_on_when_the_script_is_through(tmp_path):
    body = """
    import time
    fitscribe.start_run()

    def go_on():
        for step in range(20):
            here(step)
            time.sleep(0.01)

    threading.Thread(target=go_on).start()
    """
    script(tmp_path, work(body))
    assert the_run() == ("FINISHED", [(step, float(step)) for step in range(20)])


def test_two_tasks_of_asyncio_each_in_a_run_of_its_own(tmp_path):
    body = """
    import asyncio

    async def train(number):
        with fitscribe.start_run(run_name=f"task {number}"):
            for step in range(10):
                fitscribe.log_metric("m", number, step=step)
                await asyncio.sleep(0.001)

    async def both():
        await asyncio.gather(train(1), train(2))

    asyncio.run(both())
    """
    script(tmp_path, work(body))
    found = {run.info.run_name: run.info.run_id for run in fitscribe.search_runs(output_format="list")}
    points = {name: fitscribe.get_metric_history(run, "m") for name, run in found.items()}
    assert {name: [(p.step, p.value) for p in told] for name, told in points.items()} == {
        f"task {number}": [(step, float(number)) for step in range(10)] for number in (1, 2)
    }


@pytest.mark.parametrize("variable", ["FITSCRIBE_RUN_ID", "MLFLOW_RUN_ID"])
def test_a_program_that_is_told_the_run(tmp_path, variable):
    body = f"""
    child = "import sys, fitscribe; step = int(sys.argv[1]); fitscribe.log_metric('m', step, step=step)"
    with fitscribe.start_run() as run:
        environment = {{**os.environ, "{variable}": run.info.run_id}}
        for step in range(3):
            subprocess.run([sys.executable, "-c", child, str(step)], env=environment, check=True)
        here(3)
    """
    script(tmp_path, work(body))
    assert the_run() == ("FINISHED", [(step, float(step)) for step in range(4)])
