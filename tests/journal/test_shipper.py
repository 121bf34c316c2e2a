import json
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fitscribe.config import configure
from fitscribe.dialects import Parcel
from fitscribe.dialects.mlflow import MLflow
from fitscribe.errors import TransportError
from fitscribe.journal import segments
from fitscribe.records import Artifact, Metrics, Params, Record, RunEnded, RunResumed, RunStarted, Tags, new_id
from fitscribe.shipping.shipper import Shipper
from fitscribe.testing.endpoint import Endpoint
from fitscribe.transport.http import Http

Files = Callable[[], list[str]]


def begin(shipper: Shipper, endpoint: Endpoint, **fields: object) -> str:
    run = new_id()
    shipper.emit(RunStarted(**{"run": run, "at": 1, "to": endpoint.uri, "name": "fit", **fields}))  # type: ignore[arg-type]
    return run


def test_nothing_happens_before_the_first_record(shipper: Shipper, journal: Path) -> None:
    before = threading.active_count()
    assert (shipper.pending(), shipper.flush(1), shipper.trouble(), shipper.theirs("x", 1)) == (0, True, "", "x")
    shipper.close()
    assert (journal.exists(), threading.active_count()) == (False, before)


def test_what_is_emitted_is_on_the_server_after_a_flush_and_no_file_is_left_after_close(
    shipper: Shipper, endpoint: Endpoint, files: Files
) -> None:
    run = begin(shipper, endpoint)
    for step in range(2500):
        shipper.emit(Metrics(run, step, step, {"loss": step / 2}))
    shipper.emit(Artifact(run, 2, "a/b.txt", shipper.snapshot(b"hello", "b.txt")))
    shipper.emit(RunEnded(run, 3, "FINISHED"))
    assert shipper.flush(10)
    assert shipper.pending() == 0
    theirs = shipper.theirs(run, 1)
    assert endpoint.ledger.runs[theirs].points["loss"] == [(step / 2, step, step) for step in range(2500)]
    assert endpoint.ledger.artifacts == {f"0/{theirs}/artifacts/a/b.txt": b"hello"}
    assert endpoint.ledger.runs[theirs].status == "FINISHED"
    assert len(endpoint.requests) <= 9
    shipper.close()
    assert files() == [".gitignore"]


def test_a_search_of_40_children_takes_three_requests_each(shipper: Shipper, endpoint: Endpoint) -> None:
    parent = begin(shipper, endpoint, name="search")
    for number in range(40):
        child = begin(shipper, endpoint, name=f"candidate {number}", parent=parent)
        shipper.emit(Params(child, 2, {"c": str(number)}))
        shipper.emit(Metrics(child, 3, 0, {"score": 0.5}))
        shipper.emit(Tags(child, 4, {"stage": "cv"}))
        shipper.emit(RunEnded(child, 5, "FINISHED"))
    shipper.emit(RunEnded(parent, 6, "FINISHED"))
    assert shipper.flush(10)
    assert len(endpoint.requests) == 5 + 3 * 40  # of the parent: create, its overhead, update, two looks for doubles
    theirs = shipper.theirs(parent, 1)
    children = [run for run in endpoint.ledger.runs.values() if run.tags.get("mlflow.parentRunId") == theirs]
    assert sorted(run.params["c"] for run in children) == sorted(map(str, range(40)))
    assert {(run.status, run.tags["stage"]) for run in children} == {("FINISHED", "cv")}


def test_an_outage_loses_nothing_and_is_said_once(
    shipper: Shipper, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.trouble("answer", status=503, times=3, body=b"down for maintenance")
    run = begin(shipper, endpoint)
    shipper.emit(Params(run, 1, {"a": "1"}))
    assert shipper.flush(10)
    assert endpoint.ledger.named("fit").params == {"a": "1"}
    assert caplog.text.count("answered 503 (down for maintenance)") == 1
    assert "Your training goes on" in caplog.text
    assert shipper.trouble() == ""


@pytest.mark.parametrize("kind", ["after", "drop-after", "drop"])
@pytest.mark.parametrize("path", ["runs/create", "runs/log-batch", "runs/update", "artifacts/"])
def test_any_one_request_may_be_lost_and_the_record_is_whole_and_single(
    shipper: Shipper, endpoint: Endpoint, kind: str, path: str
) -> None:
    endpoint.trouble(kind, path)
    run = begin(shipper, endpoint)
    shipper.emit(Metrics(run, 1, 0, {"m": 1.0}))
    shipper.emit(Artifact(run, 2, "f", shipper.snapshot(b"x", "f")))
    shipper.emit(RunEnded(run, 3, "FINISHED"))
    assert shipper.flush(10)
    assert [(r.points, r.status) for r in endpoint.ledger.runs.values()] == [({"m": [(1.0, 1, 0)]}, "FINISHED")]
    assert list(endpoint.ledger.artifacts.values()) == [b"x"]


def test_what_is_refused_goes_to_dead_letters_with_the_servers_words(
    shipper: Shipper, endpoint: Endpoint, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = begin(shipper, endpoint)
    shipper.emit(Metrics(run, 7, 3, {"bad@": math.nan, "good": 1.0}))
    shipper.emit(Artifact(run, 8, "../out", shipper.snapshot(b"kept", "out")))
    assert shipper.flush(10)
    letters = [json.loads(line) for line in (journal / "dead-letters.jsonl").read_text().splitlines()]
    kept = letters[1]["record"].pop("file")
    assert (journal / kept).read_bytes() == b"kept"
    assert [{**letter, "at": 0} for letter in letters] == [
        {
            "at": 0,
            "to": endpoint.uri,
            "theirs": shipper.theirs(run, 1),
            "why": "INVALID_PARAMETER_VALUE 400: Invalid name: 'bad@'",
            "record": {"type": "metrics", "run": run, "at": 7, "step": 3, "values": {"bad@": "nan"}},
        },
        {
            "at": 0,
            "to": endpoint.uri,
            "theirs": shipper.theirs(run, 1),
            "why": "INVALID_PARAMETER_VALUE 400: the artifact path '../out' leaves the run's folder",
            "record": {"type": "artifact", "run": run, "at": 8, "path": "../out"},
        },
    ]
    assert msgspec.convert(letters[0]["record"], Record, strict=False) != Params(run, 7, {})
    assert caplog.text.count("did not take something of run") == 2


def test_the_same_refusal_for_every_child_is_said_once(
    shipper: Shipper, endpoint: Endpoint, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        shipper.emit(Metrics(begin(shipper, endpoint), 1, 0, {"bad@": 1.0}))
    assert shipper.flush(10)
    assert len((journal / "dead-letters.jsonl").read_text().splitlines()) == 20
    assert caplog.text.count("Invalid name: 'bad@'") == 1


@pytest.mark.swallows
def test_an_error_of_our_own_loses_nothing_and_does_not_fill_the_log(
    endpoint: Endpoint, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MLflow):
        def write(self, parcel: Parcel) -> None:
            raise ZeroDivisionError("a bug")

    shipper = Shipper(journal, lambda uri: Broken(Http(uri), uri))
    for _ in range(20):
        begin(shipper, endpoint)
    assert shipper.flush(10)
    shipper.close()
    assert len((journal / "dead-letters.jsonl").read_text().splitlines()) == 20
    assert caplog.text.count("ZeroDivisionError: a bug") <= 3 + 8  # eight threads may fail at the same moment


def test_a_broken_installation_keeps_the_records_for_later(endpoint: Endpoint, journal: Path) -> None:
    def missing(uri: str) -> MLflow:
        raise ImportError("no module named urllib3")

    shipper = Shipper(journal, missing)
    begin(shipper, endpoint)
    assert not shipper.flush(0.3)
    assert shipper.trouble().endswith("what is needed to write there cannot be imported (no module named urllib3)")
    configure(exit_patience=0.1)
    shipper.close()
    assert len(list(journal.glob("*.journal"))) == 1


def test_theirs_waits_for_the_run_and_not_for_its_artifacts(shipper: Shipper, endpoint: Endpoint) -> None:
    endpoint.trouble("delay", "artifacts/", seconds=1)
    run = begin(shipper, endpoint)
    shipper.emit(Artifact(run, 2, "f", shipper.snapshot(b"x", "f")))
    began = time.monotonic()
    assert shipper.theirs(run, 5) == "0" * 31 + "1"
    assert time.monotonic() - began < 0.9


def test_theirs_says_why_it_is_unknown(shipper: Shipper, endpoint: Endpoint) -> None:
    endpoint.trouble("answer", status=503, body=b"asleep", times=100)
    run = begin(shipper, endpoint)
    with pytest.raises(TransportError, match=rf"has not taken the run {run} yet \(.*answered 503 \(asleep\).*kept"):
        shipper.theirs(run, 0.5)
    endpoint.troubles.clear()


def test_theirs_of_a_refused_run_fails_at_once(shipper: Shipper, endpoint: Endpoint) -> None:
    run = begin(shipper, endpoint, experiment_id="77")
    with pytest.raises(TransportError, match=r"refused the run .*no such experiment"):
        shipper.theirs(run, 5)


def test_ids_of_an_embedded_store_and_of_resumed_runs_are_known_at_once(shipper: Shipper, endpoint: Endpoint) -> None:
    with Endpoint() as slow:
        slow.trouble("delay", seconds=0.3)
        run = begin(shipper, slow, name="slow")
        resumed = new_id()
        shipper.emit(RunResumed(resumed, 1, slow.uri, "f" * 32, reopen=False))
        assert shipper.theirs(resumed, 0) == "f" * 32
        assert shipper.theirs(run, 5) == "0" * 31 + "1"
        assert shipper.flush(5)


def test_a_long_process_gets_its_disk_space_back(
    shipper: Shipper, endpoint: Endpoint, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "LIMIT", 10_000)
    run = begin(shipper, endpoint)
    for step in range(1000):
        shipper.emit(Metrics(run, step, step, {"m": 1.0}))
        if step % 100 == 0:
            assert shipper.flush(10)
    assert shipper.flush(10)
    assert len(endpoint.ledger.named("fit").points["m"]) == 1000
    deadline = time.monotonic() + 5
    while len(list(journal.glob("*.journal"))) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [path.name[-12:] for path in journal.glob("*.journal")] != ["0001.journal"]
    assert len(list(journal.glob("*.journal"))) == 1


def test_text_that_is_no_unicode_and_numbers_that_fit_nowhere_are_recorded_or_left_out(
    shipper: Shipper, endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    run = begin(shipper, endpoint)
    shipper.emit(Params(run, 1, {"path": "caf\udce9"}))
    assert shipper.flush(10)
    assert endpoint.ledger.named("fit").params == {"path": "caf\\udce9"}
    assert caplog.text == ""


def test_records_of_many_threads_all_arrive(shipper: Shipper, endpoint: Endpoint) -> None:
    run = begin(shipper, endpoint)

    def work(number: int) -> None:
        for step in range(300):
            shipper.emit(Metrics(run, 1, step, {f"m{number}": 1.0}))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shipper.flush(10)
    assert {key: len(points) for key, points in endpoint.ledger.named("fit").points.items()} == {
        f"m{number}": 300 for number in range(8)
    }


def test_a_folder_that_cannot_be_written_is_replaced_by_a_temporary_one(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "file").touch()
    from fitscribe.dialects import dialect_for

    shipper = Shipper(tmp_path / "file" / "journal", dialect_for)
    run = begin(shipper, endpoint)
    shipper.emit(Artifact(run, 2, "f", shipper.snapshot(b"x", "f")))
    assert shipper.flush(10)
    shipper.close()
    assert caplog.text.count("cannot be written") == 1
    assert list(endpoint.ledger.artifacts.values()) == [b"x"]


def test_a_snapshot_is_the_file_as_it_was(shipper: Shipper, journal: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"before")
    name = shipper.snapshot(file, "dir/model.pkl")
    file.write_bytes(b"after")
    assert (journal / name).read_bytes() == b"before"
    path = shipper.spool_path("x:y?.bin")
    path.write_bytes(b"z")
    assert (journal / shipper.spooled(path)).read_bytes() == b"z"
    assert shipper.spooled(path).startswith("spool/")
    with pytest.raises(FileNotFoundError):
        shipper.snapshot(tmp_path / "missing", "missing")
