"""What a process left when it died is delivered from its files, any number of times with the same result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from fitscribe.cli import main
from fitscribe.client import Client
from fitscribe.dialects import dialect_for
from fitscribe.journal.remains import left_behind
from fitscribe.records import Metrics, Params, RunEnded, RunStarted, new_id, now
from fitscribe.shipping.courier import Courier
from fitscribe.shipping.recovery import Outcome, deliver, in_rounds
from fitscribe.shipping.shipper import Shipper
from fitscribe.testing.endpoint import Endpoint

DIES = """
    import os
    import fitscribe
    with fitscribe.start_run(run_name="whole"):
        fitscribe.log_param("a", 1)
    fitscribe.start_run(run_name="cut off", tags={"t": "1"})
    for step in range(500):
        fitscribe.log_metric("loss", 1 / (step + 1), step=step)
    fitscribe.log_text("words", "notes.txt")
    os._exit(9)  # as by kill -9: nothing is cleaned up, on every system
"""


def runs(folder: Path, uri: str, script: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def dies(folder: Path, uri: str, script: str = DIES) -> None:
    """Let a process log, and be killed at once, before its thread could send much."""
    done = runs(folder, uri, script)
    assert done.returncode == 9, done.stderr


def state(client: Client) -> dict[str, object]:
    runs = client.search_runs(["0"])
    return {
        run.info.run_name: (
            run.info.status,
            run.data.params,
            len(client.get_metric_history(run.info.run_id, "loss")),
            run.data.tags.get("fitscribe.end"),
            [file.path for file in client.list_artifacts(run.info.run_id)],
        )
        for run in runs
    }


WHOLE = {
    "whole": ("FINISHED", {"a": "1"}, 0, None, []),
    "cut off": ("FAILED", {}, 500, "process died", ["notes.txt"]),
}


def recover(journal: Path, to: str = "", patience: float = 0.2) -> list[Outcome]:
    """Deliver all that is left, as `fitscribe sync` does."""
    courier, outcomes = Courier(dialect_for, journal, patience), []

    def send(left):
        outcomes.append(deliver(left, courier, to=to))
        return outcomes[-1]

    in_rounds(left_behind(journal), send)
    return outcomes


def sync(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["sync", *words])
    return done.exit_code, done.output


def remnants(journal: Path) -> list[str]:
    return sorted(each.name for each in journal.rglob("*") if each.is_file() and each.name != ".gitignore")


def test_what_was_logged_before_kill_9_arrives(tmp_path, journal):
    dies(tmp_path, str(tmp_path / "store"))
    recover(journal)
    assert state(Client(tmp_path / "store")) == WHOLE
    assert left_behind(journal) == []
    assert remnants(journal) == []


def test_it_can_be_sent_to_another_endpoint_and_twice(tmp_path, journal):
    dies(tmp_path, "http://127.0.0.1:1")
    copies = tmp_path / "copy"
    shutil.copytree(journal, copies)
    [left] = left_behind(journal)
    pending = left.pending
    assert pending > 500
    [outcome] = recover(journal)
    assert {each.run.split(" ")[0]: each.why for each in outcome.unsent} == dict.fromkeys(
        ["whole", "cut"], "http://127.0.0.1:1: connection refused; is the server running?"
    )
    assert f"{pending} record(s)" in sync("--dry-run")[1]
    for folder in (tmp_path / ".fitscribe", tmp_path):
        if folder == tmp_path:
            shutil.rmtree(tmp_path / ".fitscribe")
            copies.rename(tmp_path / "journal")
        code, said = sync(str(folder), "--to", str(tmp_path / "other"))
        assert (code, said.splitlines()[-1][:36]) == (0, "1 of 1 journal(s) sent: 2 run(s), 50"), said
        assert state(Client(tmp_path / "other")) == WHOLE
    assert "nothing is left to be sent" in sync()[1]


def test_a_torn_tail_is_skipped_and_the_rest_arrives(tmp_path, journal):
    dies(tmp_path, "http://127.0.0.1:1")
    [left] = left_behind(journal)
    with left.paths[0].open("r+b") as file:
        file.truncate(left.paths[0].stat().st_size - 3)
    recover(journal, to=(tmp_path / "other").as_uri())
    found = state(Client(tmp_path / "other"))
    assert found["cut off"] == ("FAILED", {}, 500, "process died", [])


def test_a_living_process_is_left_alone(shipper, journal):
    shipper.emit(Params("run", now(), {"a": "1"}))
    assert left_behind(journal) == []


def test_a_run_that_the_endpoint_has_already_is_not_made_again(tmp_path, journal):
    with Endpoint() as endpoint:
        dies(tmp_path, endpoint.uri)
        before = len(endpoint.ledger.runs)
        recover(journal)
        assert before <= len(endpoint.ledger.runs) == 2
        statuses = sorted(run.status for run in endpoint.ledger.runs.values())
        assert statuses == ["FAILED", "FINISHED"]


THREE = """
    import os
    import fitscribe
    for name in "abc":
        with fitscribe.start_run(run_name=name):
            fitscribe.log_text("words", f"{name}.txt")
            fitscribe.log_metric("m", 1)
    os._exit(9)
"""


def test_a_run_that_cannot_be_sent_holds_up_no_other(tmp_path, journal):
    with Endpoint() as endpoint:
        endpoint.trouble("answer", "runs/create", times=1000)
        dies(tmp_path, endpoint.uri, THREE)
        endpoint.troubles.clear()
        endpoint.trouble("answer", "/b.txt", times=1000)
        [outcome] = recover(journal)
        assert [(each.run[:2], each.records, each.why[-6:]) for each in outcome.unsent] == [("b ", 5, "/b.txt")]
        assert {run.run_name: run.status for run in endpoint.ledger.runs.values()} == {
            "a": "FINISHED",
            "b": "RUNNING",
            "c": "FINISHED",
        }
        endpoint.troubles.clear()
        endpoint.requests.clear()
        [outcome] = recover(journal)
        assert (outcome.unsent, remnants(journal)) == ([], [])
        assert {run.status for run in endpoint.ledger.runs.values()} == {"FINISHED"}
        touched = {each.body.get("run_id") for each in endpoint.requests if isinstance(each.body, dict)} - {None}
        assert touched == {endpoint.ledger.named("b").run_id}


def test_a_journal_that_cannot_be_read_holds_up_no_other_and_stays(tmp_path, journal):
    with Endpoint() as endpoint:
        dies(tmp_path, endpoint.uri)
        (journal / "host-1-aaaaaaaa-0001.journal").write_bytes(b"fitscribe journal 9\n" + b"x" * 100)
        (journal / "host-2-aaaaaaaa-0001.journal").mkdir()
        code, said = sync()
        assert code == 1
        assert "1 of 3 journal(s) sent: 2 run(s)" in said
        assert "cannot be read" in said
        assert len(endpoint.ledger.runs) == 2
        assert len(left_behind(journal)) == 2


def test_nothing_is_asked_of_a_dead_endpoint_again_and_again(tmp_path, journal):
    for _ in range(5):
        dies(tmp_path, "http://127.0.0.1:1", THREE)
    courier = Courier(dialect_for, journal, 0.5)
    outcomes = [deliver(left, courier) for left in left_behind(journal)]
    assert [len(each.unsent) for each in outcomes] == [3] * 5
    assert courier.retries < 15


def forked_child(shipper: Shipper, journal: Path, *records: object) -> None:
    """Let a child of a fork record something, and die before it could send it."""
    child = os.fork()
    if not child:
        try:
            for record in records:
                shipper.emit(record)
        finally:
            os._exit(9)
    os.waitpid(child, 0)


if hasattr(os, "fork"):
    RUN = new_id()

    def test_what_a_dead_child_said_of_its_parents_run_waits_until_that_is_there(shipper, journal):
        with Endpoint() as endpoint:
            endpoint.trouble("answer", "runs/create", times=1000)
            shipper.emit(RunStarted(RUN, 5, endpoint.uri, "parent"))
            forked_child(shipper, journal, Metrics(RUN, 6, 0, {"m": 1.0}))
            [outcome] = recover(journal)
            assert [(each.run, "is to be sent first" in each.why) for each in outcome.unsent] == [(RUN, True)]
            endpoint.troubles.clear()
            assert shipper.flush(10)  # which looks after the child as well
            assert endpoint.ledger.named("parent").points == {"m": [(1.0, 6, 0)]}
            assert endpoint.ledger.named("parent").status == "RUNNING"
            assert "fitscribe.end" not in endpoint.ledger.named("parent").tags
            assert left_behind(journal) == []

    @pytest.mark.parametrize("child_first", [True, False])
    def test_the_journal_that_begins_a_run_is_sent_before_the_one_that_speaks_of_it(tmp_path, journal, child_first):
        with Endpoint() as endpoint:
            endpoint.trouble("answer", "runs/create", times=1000)
            script = """
                import os
                import fitscribe
                fitscribe.start_run(run_name="parent")
                if not os.fork():
                    fitscribe.log_metric("m", 1)
                    with fitscribe.start_run(run_name="nested", nested=True):
                        pass
                    os._exit(9)
                os.wait()
                os._exit(9)
            """
            dies(tmp_path, endpoint.uri, script)
            endpoint.troubles.clear()
            lefts = sorted(left_behind(journal), key=lambda left: left.size)
            assert len(lefts) == 2
            courier = Courier(dialect_for, journal, 0.2)
            in_rounds(lefts if child_first else lefts[::-1], lambda left: deliver(left, courier))
            parent = endpoint.ledger.named("parent")
            assert (parent.status, list(parent.points), remnants(journal)) == ("FAILED", ["m"], [])
            assert endpoint.ledger.named("nested").tags["mlflow.parentRunId"] == parent.run_id

    def test_what_is_said_of_a_run_that_nobody_begins_is_set_aside(shipper, journal):
        with Endpoint() as endpoint:
            shipper.emit(RunStarted(RUN, 5, "http://127.0.0.1:1", "parent"))
            child = new_id()
            forked_child(shipper, journal, RunStarted(child, 5, endpoint.uri, "own"), Params("f" * 32, 6, {"a": "b"}))
            [outcome] = recover(journal)
            assert (outcome.unsent, endpoint.ledger.named("own").status) == ([], "FAILED")
            code, said = sync("--dead-letters")
            assert code == 0
            assert "a = b" in said


def test_a_run_ends_at_the_time_of_its_own_last_record(tmp_path, journal):
    with Endpoint() as endpoint:
        script = f"""
            import os
            from pathlib import Path
            from fitscribe.dialects import dialect_for
            from fitscribe.shipping.shipper import Shipper
            from fitscribe.records import Metrics, RunStarted
            shipper = Shipper(Path({str(journal)!r}), dialect_for)
            shipper.emit(RunStarted("a" * 32, 1000, {endpoint.uri!r}, "early"))
            shipper.emit(RunStarted("b" * 32, 1000, {endpoint.uri!r}, "late"))
            shipper.emit(Metrics("a" * 32, 2000, 0, {{"m": 1.0}}))
            shipper.emit(Metrics("b" * 32, 3000, 0, {{"m": 1.0}}))
            if os.environ["MLFLOW_TRACKING_URI"] == "flushed":
                shipper.flush(10)
            os._exit(9)
        """
        for when in ("at once", "flushed"):
            dies(tmp_path, when, script)
            recover(journal)
            ends = {run.run_name: (run.status, run.end_time) for run in endpoint.ledger.runs.values()}
            assert ends == {"early": ("FAILED", 2000), "late": ("FAILED", 3000)}
            endpoint.ledger.runs.clear()


def test_a_run_that_another_process_goes_on_with_is_not_ended(tmp_path, journal, shipper):
    with Endpoint() as endpoint:
        script = f"""
            import os
            from pathlib import Path
            from fitscribe.dialects import dialect_for
            from fitscribe.shipping.shipper import Shipper
            from fitscribe.records import RunStarted
            Shipper(Path({str(journal)!r}), dialect_for).emit(RunStarted("a" * 32, 1000, {endpoint.uri!r}, "job"))
            os._exit(9)
        """
        dies(tmp_path, "", script)
        shipper.emit(RunStarted("a" * 32, 2000, endpoint.uri, "job", resume=True))
        recover(journal)
        assert shipper.flush(5)
        assert [run.status for run in endpoint.ledger.runs.values()] == ["RUNNING"]
        shipper.emit(RunEnded("a" * 32, 3000, "FINISHED"))


def test_the_next_process_sends_it_by_itself(tmp_path, journal):
    with Endpoint() as endpoint:
        endpoint.trouble("answer", "runs/create", times=1000)
        dies(tmp_path, endpoint.uri, THREE)
        endpoint.troubles.clear()
        script = """
            import logging, time
            import fitscribe
            logging.basicConfig(level="INFO")
            fitscribe.log_param("mine", 1)
            until = time.monotonic() + 20
            while list(fitscribe.config.folder().glob("journal/*-*.sent")) or time.monotonic() < until:
                if len(list(fitscribe.config.folder().glob("journal/*.journal"))) == 1:
                    break
                time.sleep(0.05)
        """
        said = runs(tmp_path, endpoint.uri, script)
        assert (said.returncode, said.stderr.count("that ended processes had left in")) == (0, 1), said.stderr
        assert sorted(run.run_name for run in endpoint.ledger.runs.values())[:3] == ["a", "b", "c"]
        assert remnants(journal) == []


KILLED_WORKERS = """
    import multiprocessing, os, sys
    import fitscribe

    def work(number):
        fitscribe.log_metric("m", number, step=number)
        os.kill(os.getpid(), 9)

    if __name__ == "__main__":
        with fitscribe.start_run(run_name="parent"):
            workers = [multiprocessing.get_context("fork").Process(target=work, args=(i,)) for i in range(3)]
            [each.start() for each in workers]
            [each.join() for each in workers]
            history = fitscribe.Client().get_metric_history(fitscribe.active_run().info.run_id, "m")
            print(sorted(each.value for each in history))
"""
TERMINATED_POOL = """
    import multiprocessing, os, sys, time
    import fitscribe

    fitscribe.set_experiment("pool")

    def train(number):
        with fitscribe.start_run(run_name=f"worker {number}"):
            fitscribe.log_metric("m", number)
        time.sleep(0.1)

    if __name__ == "__main__":
        with multiprocessing.get_context(sys.argv[1]).Pool(3) as pool:  # which kills them at its end
            pool.map(train, range(3), chunksize=1)
        print(sorted(run.data.metrics["m"] for run in fitscribe.search_runs(output_format="list")))
"""


@pytest.mark.parametrize(
    ("script", "method"), [(KILLED_WORKERS, "fork"), (TERMINATED_POOL, "fork"), (TERMINATED_POOL, "spawn")]
)
def test_a_read_sees_what_workers_left(tmp_path, journal, script, method):
    (tmp_path / "train.py").write_text(textwrap.dedent(script), encoding="utf-8")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": str(tmp_path / "store"), "PYTHONWARNINGS": "ignore"}
    said = subprocess.run(
        [sys.executable, "train.py", method],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (said.returncode, said.stdout, said.stderr) == (0, "[0.0, 1.0, 2.0]\n", "")
    assert remnants(journal) == []


def test_a_run_that_ended_in_a_segment_that_is_gone_stays_finished(tmp_path, journal):
    with Endpoint() as endpoint:
        script = """
            import os
            from fitscribe.journal import segments
            segments.LIMIT = 1000
            import fitscribe
            from fitscribe.delivery import the_delivery
            first = fitscribe.start_run(run_name="first")
            with fitscribe.start_run(run_name="second", nested=True):
                for step in range(40):
                    fitscribe.log_metric("m", step, step=step)
            for step in range(40):
                fitscribe.log_metric("m", step, step=step)
            the_delivery().flush()
            for step in range(40, 80):
                fitscribe.log_metric("m", step, step=step)
            the_delivery().flush()
            print(len(os.listdir(".fitscribe/journal")))
            os._exit(9)
        """
        dies(tmp_path, endpoint.uri, script)
        recover(journal)
        assert endpoint.ledger.named("first").status == "FAILED"
        assert endpoint.ledger.named("second").status == "FINISHED"
        assert len(endpoint.ledger.named("first").points["m"]) == 80
        assert remnants(journal) == []


def test_credentials_of_this_process_go_to_no_endpoint_that_a_journal_names(tmp_path, journal):
    with Endpoint() as theirs, Endpoint() as ours:
        theirs.trouble("answer", "runs/create", times=1000)
        dies(tmp_path, theirs.uri, THREE)
        theirs.troubles.clear()
        theirs.requests.clear()
        environment = {**os.environ, "MLFLOW_TRACKING_URI": ours.uri, "MLFLOW_TRACKING_TOKEN": "secret"}
        script = "import time, fitscribe; fitscribe.log_param('a', 1); time.sleep(3)"
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, check=True)
        assert theirs.requests == []
        assert len(left_behind(journal)) == 1
        code, _ = sync()
        assert (code, len(theirs.ledger.runs)) == (0, 3)


def test_a_look_for_children_costs_less_than_a_millisecond(shipper, journal):
    with Endpoint() as endpoint:
        shipper.emit(RunStarted(new_id(), 1, endpoint.uri))
        assert shipper.flush(5)
        for number in range(16):
            (journal / f"host-{number}-aaaaaaaa-0001.journal").touch()
            (journal / f"host-{number}-aaaaaaaa-0001.lock").write_text("{}")
        shipper.flush(5)
        times = []
        for _ in range(20):
            began = time.perf_counter()
            shipper.flush(5)
            times.append(time.perf_counter() - began)
        assert min(times) < 0.001, times


def test_of_two_runs_that_one_request_made_each_recovery_goes_on_with_the_same(tmp_path, journal):
    """A proxy sends runs/create twice; the recovery that learned of one of them is cut off after its metrics."""
    with Endpoint() as endpoint:
        endpoint.trouble("answer", "runs/create", times=1000)
        dies(tmp_path, endpoint.uri)
        endpoint.troubles.clear()
        endpoint.trouble("answer", "artifacts/", times=1000)
        recover(journal)
        assert left_behind(journal) != []
        [there] = [run for run in endpoint.ledger.runs.values() if run.run_name == "cut off"]
        twin = msgspec.structs.replace(there, run_id="0" * 32, points={}, params={}, seen=set(), tags=dict(there.tags))
        endpoint.ledger.runs = {twin.run_id: twin, **endpoint.ledger.runs}
        endpoint.troubles.clear()
        recover(journal)
        assert (there.status, len(there.points["loss"])) == ("FAILED", 500)
        assert twin.points == {}


def test_a_model_logged_right_before_kill_9_is_there_and_said_to_be_unfinished(tmp_path, journal):
    store = tmp_path / "store"
    dies(
        tmp_path,
        store.as_uri(),
        """
        import os
        import fitscribe
        from fitscribe import afterwards, pyfunc
        fitscribe.start_run(run_name="cut off")
        with afterwards.held():  # as within a watched fit
            pyfunc.log_model(python_model=lambda model_input: [1], name="double")
            os._exit(9)
        """,
    )
    assert [each.unsent for each in recover(journal)] == [[]]
    client = Client(store.as_uri())
    [run] = client.search_runs(["0"])
    assert [each.path for each in client.list_artifacts(run.info.run_id, "double")] == ["double/python_model.pkl"]
    [model] = client.search_logged_models(["0"])
    assert (model.name, model.status, run.info.status) == ("double", "UPLOAD_FAILED", "FAILED")
    assert remnants(journal) == []
