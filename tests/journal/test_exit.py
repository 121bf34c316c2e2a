"""What happens at the end of a process, in processes that it forks, and when the disk is full."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fitscribe.config import configure
from fitscribe.dialects import dialect_for
from fitscribe.journal import locks
from fitscribe.journal.segment import acknowledged, addresses, payloads
from fitscribe.records import Metrics, Params, RunEnded, RunStarted, decode, new_id
from fitscribe.shipping.shipper import Shipper
from fitscribe.testing.endpoint import Endpoint

RUN = "a" * 32


@pytest.fixture
def refused() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


def timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_close_gives_up_on_a_refused_endpoint_and_says_what_is_left(
    shipper: Shipper, refused: str, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(exit_patience=0.5)
    started = RunStarted(RUN, 1, refused, "fit")
    shipper.emit(started)
    shipper.emit(Params(RUN, 2, {"a": "1"}))
    assert 0.4 < timed(shipper.close) < 2
    (segment,) = journal.glob("*.journal")
    assert caplog.records[-1].getMessage() == (
        f"2 record(s) of 1 run(s) are not delivered ({refused}: connection refused; is the server running?); "
        f"they are kept in {journal}, and `fitscribe sync` sends them"
    )
    assert [decode(each) for each in payloads(segment, acknowledged(segment))] == [
        started,
        Params(RUN, 2, {"a": "1"}),
    ]
    assert not locks.held(segment.with_suffix(".lock"))


def test_the_command_that_is_named_finds_a_journal_that_lies_elsewhere(
    refused: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(exit_patience=0.1)
    shipper = Shipper(tmp_path / "elsewhere" / "journal", dialect_for)
    shipper.emit(RunStarted(RUN, 1, refused, "fit"))
    shipper.close()
    assert f"and `fitscribe sync {tmp_path / 'elsewhere'}` sends them" in caplog.messages[-1]


def test_close_does_not_wait_for_a_hanging_endpoint(shipper: Shipper, endpoint: Endpoint) -> None:
    configure(exit_patience=0.5)
    endpoint.trouble("hang")
    shipper.emit(RunStarted(RUN, 1, endpoint.uri))
    assert timed(shipper.close) < 2.5


def test_close_does_not_wait_long_for_an_endpoint_that_only_fails(shipper: Shipper, endpoint: Endpoint) -> None:
    configure(exit_patience=0.5)
    endpoint.trouble("answer", times=1000)
    shipper.emit(RunStarted(RUN, 1, endpoint.uri))
    assert timed(shipper.close) < 2.5


def test_close_waits_for_a_slow_endpoint_while_it_answers(shipper: Shipper, endpoint: Endpoint) -> None:
    configure(exit_patience=0.6)
    endpoint.trouble("delay", seconds=0.4, times=3)
    shipper.emit(RunStarted(RUN, 1, endpoint.uri, "fit"))
    shipper.emit(Params(RUN, 2, {"a": "1"}))
    shipper.emit(RunEnded(RUN, 3, "FINISHED"))
    shipper.close()
    assert endpoint.ledger.named("fit").status == "FINISHED"


def test_close_keeps_the_limit_while_progress_is_made(shipper: Shipper, endpoint: Endpoint) -> None:
    configure(exit_timeout=0.5)
    endpoint.trouble("delay", seconds=0.2, times=1000)
    for number in range(40):
        shipper.emit(RunStarted(new_id(), 1, endpoint.uri, f"{number}"))
    assert timed(shipper.close) < 2
    endpoint.troubles.clear()


def test_a_record_after_close_begins_a_new_journal(shipper: Shipper, endpoint: Endpoint) -> None:
    shipper.emit(RunStarted(RUN, 1, endpoint.uri, "fit"))
    shipper.close()
    shipper.close()
    shipper.emit(Params(RUN, 2, {"a": "1"}))
    assert shipper.flush(5)
    assert endpoint.ledger.named("fit").params == {"a": "1"}


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from fitscribe.dialects import dialect_for
from fitscribe.shipping.shipper import Shipper
from fitscribe.records import Metrics, RunStarted
shipper = Shipper(Path(sys.argv[1]), dialect_for)
shipper.emit(RunStarted("a" * 32, 1, sys.argv[2], "killed"))
shipper.flush(10)
for step in range(500):
    shipper.emit(Metrics("a" * 32, step, step, {"m": 1.0}))
os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
"""


def test_kill_9_leaves_every_record_readable_with_the_runs_address(endpoint: Endpoint, journal: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(journal), endpoint.uri], check=False)
    assert done.returncode != 0
    (segment,) = journal.glob("*.journal")
    steps = [each.step for each in map(decode, payloads(segment)) if isinstance(each, Metrics)]
    assert steps == list(range(500))
    assert not locks.held(segment.with_suffix(".lock"))
    assert [(a.run, a.to, a.theirs) for a in addresses(segment)] == [("a" * 32, endpoint.uri, "0" * 31 + "1")]


AT_EXIT = """
import atexit, sys
from pathlib import Path
from fitscribe.config import configure
from fitscribe.dialects import dialect_for
from fitscribe.dialects import dialect_for
from fitscribe.shipping.shipper import Shipper
from fitscribe.records import Params, RunEnded, RunStarted
configure(exit_patience=1.0)
shipper = Shipper(Path(sys.argv[1]), dialect_for)
atexit.register(shipper.close)
for run in ("a" * 32, "b" * 32):
    shipper.emit(RunStarted(run, 1, sys.argv[2], run[0]))
    atexit.register(shipper.emit, RunEnded(run, 2, "FINISHED"))
"""


def test_what_is_said_at_exit_is_delivered_at_exit(endpoint: Endpoint, journal: Path) -> None:
    subprocess.run([sys.executable, "-c", AT_EXIT, str(journal), endpoint.uri], check=True)
    assert [endpoint.ledger.named(name).status for name in "ab"] == ["FINISHED", "FINISHED"]
    assert [each.name for each in journal.iterdir()] == [".gitignore"]


def test_a_process_ends_when_its_endpoint_hangs(endpoint: Endpoint, journal: Path) -> None:
    endpoint.trouble("hang", times=100)
    began = time.monotonic()
    script = [sys.executable, "-c", AT_EXIT, str(journal), endpoint.uri]
    done = subprocess.run(script, capture_output=True, text=True, check=True, timeout=20)
    assert time.monotonic() - began < 8
    assert done.stderr.startswith("6 record(s) of 2 run(s) are not delivered (time ran out); they are kept in ")
    assert done.stderr.count("\n") == 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from fitscribe.dialects import dialect_for
from fitscribe.shipping.shipper import Shipper
from fitscribe.records import Params, RunStarted
shipper = Shipper(Path(sys.argv[1]), dialect_for)
shipper.emit(RunStarted("a" * 32, 1, sys.argv[2], "full"))
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
for number in range(100):
    shipper.emit(Params("a" * 32, 2, {f"p{number}": "x" * 90}))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
shipper.emit(Params("a" * 32, 2, {"last": "y"}))
shipper.flush(10)
shipper.close()
"""


if sys.platform != "win32":  # which has neither fork nor limits on the size of files

    def forked(work: Callable[[], bool]) -> int:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if work() else 2
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def test_a_forked_child_has_a_journal_of_its_own_and_knows_its_parents_runs(
        shipper: Shipper, endpoint: Endpoint, journal: Path
    ) -> None:
        shipper.emit(RunStarted(RUN, 1, endpoint.uri, "parent"))
        assert shipper.flush(5)
        (mine,) = journal.glob("*.journal")
        child = new_id()

        def work() -> bool:
            shipper.emit(Metrics(RUN, 2, 0, {"from child": 1.0}))
            shipper.emit(RunStarted(child, 3, endpoint.uri, "child", parent=RUN))
            done = shipper.flush(5) and locks.held(mine.with_suffix(".lock"))
            shipper.close()
            return done

        assert forked(work) == 0
        assert list(journal.glob("*.journal")) == [mine]
        shipper.emit(Metrics(RUN, 4, 1, {"from parent": 1.0}))
        assert shipper.flush(5)
        run = endpoint.ledger.named("parent")
        assert run.points == {"from child": [(1.0, 2, 0)], "from parent": [(1.0, 4, 1)]}
        assert endpoint.ledger.named("child").tags["mlflow.parentRunId"] == run.run_id

    def test_a_forked_child_may_write_to_a_run_that_is_not_created_yet(shipper: Shipper, endpoint: Endpoint) -> None:
        endpoint.trouble("answer", "runs/create", status=503, times=2)
        shipper.emit(RunStarted(RUN, 1, endpoint.uri, "parent"))

        def work() -> bool:
            shipper.emit(Metrics(RUN, 2, 0, {"m": 1.0}))
            return shipper.flush(8)

        assert forked(work) == 0
        assert endpoint.ledger.named("parent").points == {"m": [(1.0, 2, 0)]}

    def test_a_limit_on_the_size_of_files_costs_nothing(endpoint: Endpoint, journal: Path) -> None:
        script = [sys.executable, "-c", FULL_DISK, str(journal), endpoint.uri]
        done = subprocess.run(script, capture_output=True, text=True, check=True)
        params = endpoint.ledger.named("full").params
        assert params.pop("last") == "y"
        assert params == {f"p{number}": "x" * 90 for number in range(100)}
        assert done.stderr == ""
