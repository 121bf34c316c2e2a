"""Sync and recovery as users meet them: processes that are killed at any moment, and many that start at once."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from fitscribe.journal.remains import journals
from fitscribe.shipping.letters import letters
from fitscribe.testing.endpoint import Endpoint

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")

WRITES = """
    import os, sys
    import fitscribe
    for name in "abcd":
        with fitscribe.start_run(run_name=f"{sys.argv[1]}{name}"):
            fitscribe.log_params({f"p{i}": i for i in range(20)})
            for step in range(400):
                fitscribe.log_metric("m", step, step=step)
            fitscribe.log_text("words " + name, "notes.txt")
    fitscribe.start_run(run_name=f"{sys.argv[1]}open")
    fitscribe.log_metric("m", 1, step=1)
    os._exit(9)
"""
STARTS = """
    import logging, os, sys, time
    import fitscribe
    logging.basicConfig(level="INFO", format="%(message)s")
    fitscribe.log_param("starter", sys.argv[1])
    until = time.monotonic() + 60
    while time.monotonic() < until and any(map(os.path.exists, sys.argv[2:])):
        time.sleep(0.05)
"""


def python(script: str, folder: Path, uri: str, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def sync(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fitscribe", "sync", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def leave(folder: Path, endpoint: Endpoint, *names: str) -> None:
    """Let processes die whose endpoint took nothing."""
    endpoint.trouble("answer", "runs/create", times=1_000_000)
    for each in [python(WRITES, folder, endpoint.uri, name) for name in names]:
        assert said(each)[0] == 9
    endpoint.troubles.clear()


def state(endpoint: Endpoint) -> dict[str, tuple[object, ...]]:
    runs = sorted(endpoint.ledger.runs.values(), key=lambda run: run.run_name)
    assert len({run.run_name for run in runs}) == len(runs), "a run was made twice"
    return {
        run.run_name: (
            run.status,
            len(run.params),
            sorted(step for _, _, step in run.points.get("m", ())) == list(range(400)),
            len(run.points.get("m", ())),
            run.tags.get("fitscribe.end"),
            [body for path, body in endpoint.ledger.artifacts.items() if f"/{run.run_id}/" in path],
        )
        for run in runs
    }


def whole(*names: str) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for name in names:
        for each in "abcd":
            found[name + each] = ("FINISHED", 20, True, 400, None, [b"words " + each.encode()])
        found[f"{name}open"] = ("FAILED", 0, False, 1, "process died", [])
    return found


def rest(folder: Path) -> list[str]:
    return [each.name for each in (folder / ".fitscribe" / "journal").rglob("*") if each.name != ".gitignore"]


@pytest.mark.parametrize("seed", range(4))
def test_a_sync_that_is_killed_at_any_moment_changes_nothing_of_the_result(tmp_path, seed):
    chance = random.Random(seed)
    with Endpoint() as endpoint:
        leave(tmp_path, endpoint, "x", "y")
        kills = 0
        for _ in range(12):
            endpoint.trouble("delay", times=1_000_000, seconds=0.1)
            process = sync(tmp_path)
            time.sleep(chance.uniform(0.3, 1.2))
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
            process.communicate()
        endpoint.troubles.clear()
        for _ in range(2):
            code, words = said(sync(tmp_path))
            assert code == 0, words
        assert kills
        assert state(endpoint) == whole("x", "y")
        assert rest(tmp_path) == []
        assert letters(tmp_path / ".fitscribe" / "journal") == {}


def test_processes_that_are_killed_while_they_recover_others_lose_nothing(tmp_path):
    chance = random.Random(7)
    with Endpoint() as endpoint:
        leave(tmp_path, endpoint, "x", "y", "z")
        for number in range(6):
            endpoint.trouble("delay", times=1_000_000, seconds=0.005)
            process = python(STARTS, tmp_path, endpoint.uri, str(number), ".")
            time.sleep(chance.uniform(1.5, 3.5))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        endpoint.troubles.clear()
        assert said(sync(tmp_path))[0] == 0
        starters = {name: run for name, run in state(endpoint).items() if name[0] not in "xyz"}
        assert {name: run for name, run in state(endpoint).items() if name[0] in "xyz"} == whole("x", "y", "z")
        assert 0 < len(starters) <= 6
        assert rest(tmp_path) == []


def test_of_sixteen_that_start_at_once_one_takes_each_journal(tmp_path):
    names = ["u", "v", "x", "y"]
    with Endpoint() as endpoint:
        leave(tmp_path, endpoint, *names)
        left = journals(tmp_path / ".fitscribe" / "journal")
        there, pending = [str(path) for each in left for path in each.paths], sum(each.pending for each in left)
        together = [python(STARTS, tmp_path, endpoint.uri, str(number), *there) for number in range(16)]
        done = [said(each) for each in together]
        assert [code for code, _ in done] == [0] * 16
        assert {name: run for name, run in state(endpoint).items() if name[0] in "uvxy"} == whole(*names)
        counts = [int(found) for _, words in done for found in re.findall(r"sent (\d+) record\(s\) of", words)]
        assert counts
        assert len(counts) <= len(names)
        assert sum(counts) == pending
        assert rest(tmp_path) == []
        creates = [each for each in endpoint.requests if each.path.endswith("runs/create")]
        assert len(creates) == 16 + 5 * len(names)


def test_a_copy_of_a_living_process_goes_elsewhere_and_leaves_its_delivery_alone(tmp_path):
    with Endpoint() as endpoint, Endpoint() as other:
        endpoint.trouble("answer", "runs/create", times=1_000_000)
        script = """
            import sys
            import fitscribe
            with fitscribe.start_run(run_name="living"):
                fitscribe.log_metric("m", 1)
                fitscribe.log_text("words", "notes.txt")
                print("said", flush=True)
                sys.stdin.readline()
        """
        environment = {**os.environ, "MLFLOW_TRACKING_URI": endpoint.uri}
        with subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script)],
            cwd=tmp_path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdout.readline() == "said\n"
            for _ in range(2):
                code, words = said(sync(tmp_path, "--to", other.uri))
                assert (code, "1 of 1 journal(s) sent" in words) == (0, True), words
                copy = other.ledger.named("living")
                assert (copy.status, list(copy.points)) == ("RUNNING", ["m"])
                assert list(other.ledger.artifacts.values()) == [b"words"]
            code, words = said(sync(tmp_path))
            assert code == 0
            assert re.search(r"at work, \d+ record\(s\) wait; it sends them itself", words), words
            assert endpoint.ledger.runs == {}
            endpoint.troubles.clear()
            process.communicate("", timeout=60)
        run = endpoint.ledger.named("living")
        assert (process.returncode, run.status, list(run.points)) == (0, "FINISHED", ["m"])
        assert list(endpoint.ledger.artifacts.values()) == [b"words"]


def test_an_interrupted_sync_says_how_far_it_came_and_goes_on(tmp_path):
    with Endpoint() as endpoint:
        leave(tmp_path, endpoint, "x")
        endpoint.trouble("delay", "log-batch", times=1_000_000, seconds=1.0)
        process = sync(tmp_path)
        while not any("log-batch" in each.path for each in list(endpoint.requests)):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        code, words = said(process)
        assert (code, "interrupted: " in words, "Traceback" in words) == (130, True, False), words
        endpoint.troubles.clear()
        assert said(sync(tmp_path))[0] == 0
        assert state(endpoint) == whole("x")


def test_after_part_of_it_went_to_one_server_all_of_it_goes_to_another(tmp_path):
    with Endpoint() as endpoint, Endpoint() as other:
        leave(tmp_path, endpoint, "x")
        endpoint.trouble("answer", "/notes.txt", times=1_000_000)
        code, words = said(sync(tmp_path))
        assert (code, "0 of 1 journal(s) sent" in words) == (1, True), words
        assert "notes.txt" in words
        code, words = said(sync(tmp_path, "--to", other.uri))
        assert code == 0, words
        assert state(other) == whole("x")
        assert journals(tmp_path / ".fitscribe" / "journal") == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert said(sync(tmp_path, "nowhere")) == (1, f"Error: there is no folder {tmp_path / 'nowhere'}\n")


def test_what_had_to_lie_in_the_folder_for_temporary_files_is_sent_from_the_directory_it_belongs_to(tmp_path):
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    (home / ".fitscribe").write_text("a file where the folder should be")
    with Endpoint() as endpoint:
        endpoint.trouble("answer", "runs/create", times=1_000_000)
        os.environ["TMPDIR"] = str(temporary)
        try:
            assert said(python(WRITES, home, endpoint.uri, "x"))[0] == 9
            (home / ".fitscribe").unlink()
            endpoint.troubles.clear()
            code, words = said(sync(home))
        finally:
            del os.environ["TMPDIR"]
        assert code == 0, words
        assert state(endpoint) == whole("x")
